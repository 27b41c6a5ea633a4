"""Runs a suite's missing trainings in several resumable processes at once."""

import json
import shlex
import subprocess
import time
from concurrent import futures
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Protocol, Sequence

from ...engine.folder_lock import lock_folder
from ...errors import SettingError
from ...provenance import describe_commit, describe_machine
from ..processes import explain_failure, start_python
from .comparability import check_precision, check_teachers, precision
from .configs import format_options, missing_config, place_config
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
from .suite import TEACHER, Suite, Training
from .teachers import Teachers

POLL_SECONDS = 1
OUTPUT = 'output.log'
# Records the teacher and the precision with which a training began, and the
# commits at which it was started.
MADE_WITH = 'made_with.json'
# The settings for its process.
SETTINGS_FILE = 'settings.json'
# What a suite needs besides a config's own settings: two checkpoints, since
# the newest one may be incomplete when a training is killed.
KEEPING = {
    'default_hooks.checkpoint.interval': 1,
    'default_hooks.checkpoint.max_keep_ckpts': 2,
    'default_hooks.checkpoint.save_best': None,
    'train_cfg.val_interval': 1,
}


class Watcher(Protocol):
    """Shows the progress of a suite."""

    def update(self, running: Sequence['Process'], waiting: int) -> None:
        """Show the running trainings; called every second."""

    def finished(self, process: 'Process', accuracy: float) -> None:
        """Show that a training is done."""

    def failed(self, training: Training, reason: str) -> None:
        """Show that a training has failed."""


class Process(NamedTuple):
    """A running training."""

    training: Training
    work_dir: Path
    popen: subprocess.Popen
    slot: int
    started: float
    start_epoch: int
    starts: List[Dict[str, Any]]
    command: str


class SuiteRunner:
    """Runs the missing trainings of a suite.

    Args:
        suite (Suite): The suite.
        root (Path): The project's folder, to which paths are relative.
        work_dir (Path): Folder for the trainings' logs and checkpoints.
        report (Path): Folder for results and trained teachers.
        jobs (int): Number of trainings that run at once.
    """

    def __init__(
        self,
        suite: Suite,
        root: Path,
        work_dir: Path,
        report: Path,
        jobs: int,
    ) -> None:
        self.suite = suite
        self.root = root
        self.work_dir = work_dir
        self.report = report
        self.jobs = jobs
        self.machine = describe_machine()
        self.machine['threads'] = suite.settings['threads']
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
        for name in self.suite.settings['teacher_checkpoints']:
            self.teachers.hash(name)  # raises if it is damaged
        with ExitStack() as locks:
            options = {self.work_dir: '--work-dir', self.report: '--report'}
            for folder, option in options.items():
                refusal = (
                    f'Another benchmark is at work in {folder}; wait for it, '
                    f'or give another {option}.'
                )
                locks.enter_context(lock_folder(folder, refusal))
            check_teachers(self.suite, self.report, self.teachers)
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
        running: Dict[futures.Future, Process] = {}
        with futures.ThreadPoolExecutor(self.jobs) as pool:
            try:
                while waiting or running:
                    for process in self._start(waiting, running, failures):
                        running[pool.submit(process.popen.wait)] = process
                    self.watcher.update(list(running.values()), len(waiting))
                    ended, _ = futures.wait(
                        running, POLL_SECONDS, futures.FIRST_COMPLETED
                    )
                    for future in ended:
                        self._finish(running.pop(future), failures)
            finally:
                for process in running.values():
                    process.popen.terminate()
        return failures

    def _start(
        self,
        waiting: List[Training],
        running: Dict[futures.Future, Process],
        failures: List[Dict[str, str]],
    ) -> Iterator[Process]:
        """Start what can be started; the caller adds it to ``running``."""
        failed = {failure['name'] for failure in failures}
        for training in list(waiting):
            if len(running) >= self.jobs:
                return
            teacher = self.suite.teachers.get(training.teacher)
            if not teacher or self.teachers.find(training.teacher):
                waiting.remove(training)
                slots = {process.slot for process in running.values()}
                free = min(set(range(self.jobs)) - slots)
                try:
                    yield self._launch(training, free)
                except SettingError as error:
                    self._fail(training, str(error), failures)
            elif teacher.name in failed:
                waiting.remove(training)
                self._fail(training, 'its teacher failed', failures)

    def _launch(self, training: Training, slot: int) -> Process:
        """Start or resume one training.

        Raises:
            SettingError: If it began with another teacher or in another
                precision, or the results so far have another teacher.
        """
        # The teacher may just have been trained, since its weights were lost.
        check_teachers(self.suite, self.report, self.teachers)
        # What the result could not record is refused now, not at the end.
        command = self._recorded_command(training)
        work_dir = self.work_dir / training.name
        start = find_start_epoch(work_dir)
        made_with = dict(
            teacher=self.teachers.hash(training.teacher),
            precision=precision(training),
        )
        begun = work_dir / MADE_WITH
        starts = []
        if start and begun.is_file():
            known = read_json(begun)
            starts = known.pop('starts', [])
            if known != made_with:
                raise SettingError(
                    f'{work_dir} was begun with {known}, not {made_with}; '
                    f'remove it, or give another --work-dir.'
                )
        checkpoint = checkpoint_path(work_dir, start)
        settings = dict(
            config=place_config(
                self.root, training.config, self.work_dir / 'configs'
            ),
            options=self._options(training),
            work_dir=str(work_dir),
            resume=str(checkpoint) if start else None,
        )
        work_dir.mkdir(parents=True, exist_ok=True)
        given = work_dir / SETTINGS_FILE
        given.write_text(json.dumps(settings, indent=1))
        starts.append(describe_commit())
        begun.write_text(json.dumps(dict(made_with, starts=starts)))
        popen = start_python(
            ['-m', 'mmrazor_lakd.benchmark.suite.train', str(given)],
            folder=self.root,
            log=work_dir / OUTPUT,
            append=start > 0,
            threads=self.suite.settings['threads'],
            slot=slot,
        )
        return Process(
            training, work_dir, popen, slot, time.time(), start, starts,
            command,
        )  # fmt: skip

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
        self, process: Process, failures: List[Dict[str, str]]
    ) -> None:
        """Keep the result of a training."""
        training, work_dir = process.training, process.work_dir
        code = process.popen.returncode
        accuracies = read_accuracies(work_dir)
        wanted = set(range(1, training.epochs + 1))
        if code:
            reason = explain_failure(code, work_dir / OUTPUT)
        elif set(accuracies) != wanted:
            reason = 'its logs lack the accuracy of some epochs'
        else:
            self._keep(process, list(accuracies.values()))
            self.watcher.finished(process, accuracies[training.epochs])
            return
        self._fail(training, reason, failures)

    def _keep(self, process: Process, accuracies: List[float]) -> None:
        """Write a training's result, after a teacher's weights."""
        training = process.training
        checkpoint = checkpoint_path(process.work_dir, training.epochs)
        if training.method == TEACHER:
            save_weights(checkpoint, self.teachers.path(training.pair))
        write_result(
            self.report,
            dict(
                pair=training.pair,
                method=training.method,
                seed=training.seed,
                config=training.config,
                digest=training.digest,
                command=process.command,
                teacher=self.teachers.hash(training.teacher),
                teacher_top1=read_teacher_accuracy(process.work_dir),
                top1=accuracies,
                last_losses=read_last_losses(process.work_dir),
                iterations=count_iterations(checkpoint, training.epochs),
                step_seconds=read_step_seconds(process.work_dir),
                jobs=self.jobs,
                precision=precision(training),
                machine=self.machine,
                # one for each start, if it was resumed
                commit=', then '.join(
                    dict.fromkeys(
                        start['commit'] or 'unknown'
                        for start in process.starts
                    )
                ),
                dirty=any(start['dirty'] for start in process.starts),
            ),
        )

    def _fail(
        self,
        training: Training,
        reason: str,
        failures: List[Dict[str, str]],
    ) -> None:
        failures.append(dict(name=training.name, reason=reason))
        self.watcher.failed(training, reason)
