"""Runs a suite's missing trainings in several resumable processes at once."""

import json
import shlex
import time
from contextlib import ExitStack
from pathlib import Path
from typing import (
    Any,
    Dict,
    List,
    Optional,
    Sequence,
    Tuple,
)

from ...engine.folder_lock import lock_folder
from ...errors import SettingError
from ...provenance import describe_commit
from .comparability import (
    check_precision,
    check_same_precision,
    check_teachers,
    known_precision,
    precision,
    recorded_precision,
)
from .configs import format_options, missing_config, place_config
from .launch import (
    SETTINGS_FILE,
    Launcher,
    LocalLauncher,
    Prepared,
    Process,
    Start,
    Watcher,
)
from .results import (
    checkpoint_path,
    count_iterations,
    find_start_epoch,
    read_accuracies,
    read_json,
    read_kept,
    read_last_losses,
    read_step_seconds,
    read_teacher_accuracy,
    save_weights,
    write_result,
)
from .settings import TEACHER
from .suite import Suite
from .teachers import Teachers
from .train import MADE_ON
from .training import Training

POLL_SECONDS = 1
# Records the teacher with which a training began, and the commits at which it
# was started.
MADE_WITH = 'made_with.json'
# What a suite needs besides a config's own settings: the accuracy of every
# epoch, and two checkpoints, since the newest one may be incomplete when a
# training is killed.
KEEPING = {
    'default_hooks.checkpoint.by_epoch': True,
    'default_hooks.checkpoint.interval': 1,
    'default_hooks.checkpoint.max_keep_ckpts': 2,
    'default_hooks.checkpoint.save_best': None,
    'train_cfg.val_interval': 1,
    'train_cfg.val_begin': 1,
    'train_cfg.dynamic_intervals': None,
}


class SuiteRunner:
    """Runs the missing trainings of a suite.

    Args:
        suite (Suite): The suite.
        root (Path): The project's folder, to which paths are relative.
        work_dir (Path): Folder for the trainings' logs and checkpoints.
        report (Path): Folder for results and trained teachers.
        jobs (int): Number of trainings that run at once.
        launcher (Launcher, optional): Starts them. Defaults to processes on
            this machine.
    """

    def __init__(
        self,
        suite: Suite,
        root: Path,
        work_dir: Path,
        report: Path,
        jobs: int,
        launcher: Optional[Launcher] = None,
    ) -> None:
        self.suite = suite
        self.root = root
        self.work_dir = work_dir
        self.report = report
        self.jobs = jobs
        self.launcher = launcher or LocalLauncher()
        self.teachers = Teachers(suite, root, report)

    def run(
        self, missing: Sequence[Training], watcher: Watcher
    ) -> List[Dict[str, str]]:
        """Run the trainings from :meth:`find_missing`.

        Args:
            missing (Sequence[Training]): Teachers before their students.
            watcher (Watcher): Shows the progress.

        Returns:
            list[dict]: ``name`` and ``reason`` of each training that failed.

        Raises:
            SettingError: If another benchmark uses one of the folders, or a
                given teacher can't be read.
        """
        self.teachers.check_given()
        with ExitStack() as locks:
            options = {self.work_dir: '--work-dir', self.report: '--report'}
            for folder, option in options.items():
                refusal = (
                    f'Another benchmark is at work in {folder}; wait for it, '
                    f'or give another {option}.'
                )
                locks.enter_context(lock_folder(folder, refusal))
            check_teachers(self.suite, self.report, self.teachers, missing)
            if not self.launcher.is_remote:
                check_precision(self.suite, self.report, missing)
            self.watcher = watcher
            return self._run(list(missing))

    def find_missing(self, students: Sequence[Training]) -> List[Training]:
        """List the students without a result, after their missing teachers."""
        kept = read_kept(self.report)
        missing = [s for s in students if s.name not in kept]
        needed = {student.teacher for student in missing}
        return [
            teacher
            for name, teacher in self.suite.teachers.items()
            if name in needed and teacher and not self.teachers.find(name)
        ] + missing

    def _run(self, waiting: List[Training]) -> List[Dict[str, str]]:
        failures: List[Dict[str, str]] = []
        running: List[Process] = []
        try:
            while waiting or running:
                running += self._start(waiting, running, failures)
                self.watcher.update(running, len(waiting))
                time.sleep(POLL_SECONDS if running else 0)
                for process in list(running):
                    code = process.job.poll()
                    if code is not None:
                        running.remove(process)
                        self._finish(process, code, failures)
        finally:
            for process in running:
                process.job.terminate()
        return failures

    def _start(
        self,
        waiting: List[Training],
        running: Sequence[Process],
        failures: List[Dict[str, str]],
    ) -> List[Process]:
        """Start what can be started, as far as ``jobs`` allows."""
        slots = {process.prepared.start.slot for process in running}
        free = sorted(set(range(self.jobs)) - slots)
        prepared = []
        at_work = [process.training for process in running]
        for training in list(waiting):
            if not free:
                break
            teacher = self.suite.teachers.get(training.teacher)
            if not teacher or self.teachers.find(training.teacher):
                waiting.remove(training)
                try:
                    prepared.append(self._prepare(training, free[0]))
                    at_work.append(training)
                    del free[0]
                except SettingError as error:
                    self._fail(training, str(error), failures)
            elif teacher.name in [failure['name'] for failure in failures]:
                waiting.remove(training)
                self._fail(training, 'its teacher failed', failures)
            elif teacher not in (*waiting, *at_work):
                waiting.remove(training)
                gone = f'{self.teachers.path(training.teacher)} is gone'
                self._fail(training, gone, failures)
        if not prepared:
            return []
        jobs = self.launcher.start([one.start for one in prepared])
        return [Process(*pair) for pair in zip(prepared, jobs)]

    def _prepare(self, training: Training, slot: int) -> Prepared:
        """Write down what the process of a training needs.

        Raises:
            SettingError: If it began with another teacher or in another
                precision, or the results so far have another teacher.
        """
        # The teacher may have been exchanged meanwhile.
        check_teachers(self.suite, self.report, self.teachers)
        # What the result could not record is refused now, not at the end.
        command = self._recorded_command(training)
        work_dir = self.work_dir / training.name
        start_epoch = find_start_epoch(work_dir)
        teacher = dict(teacher=self.teachers.hash(training))
        begun = work_dir / MADE_WITH
        commits = []
        known: Optional[Tuple[str, str]] = None
        if start_epoch and begun.is_file():
            found = read_json(begun)
            commits = found.pop('starts', [])
            if (work_dir / MADE_ON).is_file():  # not of earlier versions
                found['precision'] = read_json(work_dir / MADE_ON).get(
                    'precision'
                )
            if found.get('precision'):
                found['precision'] = recorded_precision(
                    training, found['precision']
                )
            # Earlier versions recorded none that the configs name.
            if found.get('teacher') is None and self.teachers.is_given(
                training.teacher
            ):
                found.update(teacher)
            # On a cluster, the machine that gets the training compares.
            here = (
                found.get('precision')
                if self.launcher.is_remote
                else precision(training.optim_wrapper, training.amp_dtype)
            )
            made_with = dict(teacher, precision=here)
            if found != made_with:
                raise SettingError(
                    f'{work_dir} was begun with {found}, not {made_with}; '
                    f'remove it, or give another --work-dir.'
                )
            if here:
                known = str(work_dir), here
        settings = dict(
            config=place_config(
                self.root, training.config, self.work_dir / 'configs'
            ),
            options=self._options(training),
            work_dir=str(work_dir),
            precision=known
            or known_precision(self.suite, self.report, training),
        )
        work_dir.mkdir(parents=True, exist_ok=True)
        given = work_dir / SETTINGS_FILE
        given.write_text(json.dumps(settings, indent=1))
        commits.append(describe_commit())
        begun.write_text(json.dumps(dict(teacher, starts=commits)))
        start = Start(
            work_dir, self.root, self.suite.settings['threads'], slot
        )
        return Prepared(training, start, start_epoch, commits, command)

    def _options(
        self, training: Training, recorded: bool = False
    ) -> Dict[str, Any]:
        """Return the complete options of a training.

        Args:
            training (Training): The training.
            recorded (bool): Whether they are for the result, which contains no
                folder of this machine: a teacher of a report elsewhere is
                given relative to the report's folder. Defaults to False.
        """
        options = {**training.options, **KEEPING}
        if not self.teachers.is_given(training.teacher):
            path = self.teachers.find(training.teacher)
            if path.is_relative_to(self.root):
                path = path.relative_to(self.root)
            elif recorded and path.is_relative_to(self.report):
                path = path.relative_to(self.report.parent)
            options['model.teacher_ckpt'] = str(path)
        return options

    def _command(self, training: Training) -> List[str]:
        """Return the equivalent command, except for its folder."""
        options = self._options(training, recorded=True)
        return [
            'tools/train.py',
            training.config,
            '--cfg-options',
            *format_options(options),
        ]

    def _recorded_command(self, training: Training) -> str:
        """Return the command that repeats a training on any machine."""
        command = shlex.join(['python', *self._command(training)])
        missing = missing_config(self.root, training.config)
        if missing:
            method, pair = missing
            command = (
                f'python tools/make_config.py --method {method} --pair {pair} '
                f'--out {training.config} && {command}'
            )
        return command

    def _finish(
        self, process: Process, code: int, failures: List[Dict[str, str]]
    ) -> None:
        """Keep the result of a training."""
        training, work_dir = process.training, process.work_dir
        accuracies = read_accuracies(work_dir)
        wanted = set(range(1, training.epochs + 1))
        if code:
            reason = process.job.explain()
        elif set(accuracies) != wanted:
            reason = 'its logs lack the accuracy of some epochs'
        else:
            try:
                self._keep(process.prepared, list(accuracies.values()))
            except SettingError as error:
                reason = str(error)
            else:
                self.watcher.finished(process, accuracies[training.epochs])
                return
        self._fail(training, reason, failures)

    def _keep(self, prepared: Prepared, accuracies: List[float]) -> None:
        """Write a training's result, and then a teacher's weights.

        Raises:
            SettingError: If it can't be compared with a result that another
                machine has brought in meanwhile.
        """
        training, work_dir = prepared.training, prepared.start.work_dir
        made_on = read_json(work_dir / MADE_ON)
        known = known_precision(self.suite, self.report, training)
        check_same_precision(known, made_on['precision'])
        checkpoint = checkpoint_path(work_dir, training.epochs)
        write_result(
            self.report,
            dict(
                pair=training.pair,
                method=training.method,
                seed=training.seed,
                config=training.config,
                digest=training.digest,
                command=prepared.command,
                teacher=self.teachers.hash(training),
                teacher_top1=read_teacher_accuracy(work_dir),
                top1=accuracies,
                last_losses=read_last_losses(work_dir),
                iterations=count_iterations(checkpoint, training.epochs),
                step_seconds=read_step_seconds(work_dir),
                jobs=self.jobs,
                precision=made_on['precision'],
                machine=dict(
                    made_on['machine'], threads=prepared.start.threads
                ),
                # one for each start, if it was resumed
                commit=', then '.join(
                    dict.fromkeys(
                        commit['commit'] or 'unknown'
                        for commit in prepared.commits
                    )
                ),
                dirty=any(commit['dirty'] for commit in prepared.commits),
            ),
        )
        # Last, since weights without a result would be refused.
        if training.method == TEACHER:
            save_weights(checkpoint, self.teachers.path(training.pair))

    def _fail(
        self,
        training: Training,
        reason: str,
        failures: List[Dict[str, str]],
    ) -> None:
        failures.append(dict(name=training.name, reason=reason))
        self.watcher.failed(training, reason)
