"""Trains what a suite lacks: several processes at once, each one resumable."""

import json
import shlex
import subprocess
import time
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Protocol, Sequence

from filelock import FileLock, Timeout

from ..engine.bfloat16_optim_wrapper import has_fast_bfloat16
from ..errors import SettingError
from .cost_report import describe_commit, describe_machine
from .processes import explain_failure, start_python
from .suite import TEACHER, Suite, Training
from .suite_configs import format_options
from .suite_results import (
    checkpoint_path,
    count_iterations,
    find_start,
    hash_weights,
    read_accuracies,
    read_step_seconds,
    read_teacher_accuracy,
    result_path,
    save_weights,
    write_result,
)

POLL_SECONDS = 1
OUTPUT = 'output.log'
# What a suite needs besides a config's own settings: two checkpoints, since
# the newest one may be half written when a training is killed.
KEEPING = {
    'default_hooks.checkpoint.interval': 1,
    'default_hooks.checkpoint.max_keep_ckpts': 2,
    'default_hooks.checkpoint.save_best': None,
    'train_cfg.val_interval': 1,
}


# what a result depends on, and not the reports beside it
CODE = ('mmrazor_lakd', 'configs', 'tools')


class Watcher(Protocol):
    """Shows how far a suite is."""

    def update(self, running: Sequence['Process'], waiting: int) -> None:
        """Show what runs now; called every second."""

    def finished(self, process: 'Process', accuracy: float) -> None:
        """Show that a training is done."""

    def failed(self, training: Training, reason: str) -> None:
        """Show that a training has failed."""


class Process(NamedTuple):
    """A training at work."""

    training: Training
    work_dir: Path
    popen: subprocess.Popen
    slot: int
    started: float
    start_epoch: int
    commit: Dict[str, Any]


class SuiteRunner:
    """Trains what is missing of a suite.

    Args:
        suite (Suite): The suite.
        root (Path): The project's folder, with ``tools/train.py``.
        work_dir (Path): Where the trainings leave logs and checkpoints.
        report (Path): Where results and trained teachers are kept.
        jobs (int): How many trainings run at once.
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
        self.teacher_hashes: Dict[str, str] = {}

    def run(
        self, missing: Sequence[Training], watcher: Watcher
    ) -> List[Dict[str, str]]:
        """Train what :meth:`find_missing` has found.

        Args:
            missing (Sequence[Training]): Teachers before their students.
            watcher (Watcher): Shows how far it is.

        Returns:
            list[dict]: For each training that failed its ``name`` and the
            ``reason``.

        Raises:
            SettingError: If another benchmark is at work in the folder.
        """
        self.work_dir.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.work_dir / 'lock')
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise SettingError(
                f'Another benchmark is at work in {self.work_dir}; wait for '
                f'it, or give another --work-dir.'
            ) from None
        with lock:
            self._check_teachers()
            self.watcher = watcher
            return self._run(list(missing))

    def _check_teachers(self) -> None:
        """Refuse to go on with another teacher than the results have.

        Raises:
            SettingError: If the weights of a teacher differ.
        """
        for student in self.suite.students:
            path = self._result(student)
            if not path.is_file() or self._is_given(student.teacher):
                continue
            known = json.loads(path.read_text())['teacher']
            teacher = self.find_teacher(student.teacher)
            if teacher and self._teacher_hash(student) != known:
                raise SettingError(
                    f'{path} was made with another teacher (weights {known}) '
                    f'than {teacher} (weights {self._teacher_hash(student)}); '
                    f'bring that one back, or give another --report.'
                )

    def _is_given(self, teacher: Optional[str]) -> bool:
        """Tell whether the configs themselves say where a teacher is."""
        return self.suite.teachers.get(teacher) is None

    def find_missing(self, students: Sequence[Training]) -> List[Training]:
        """List the students without a result, after teachers they lack."""
        missing = [s for s in students if not self._result(s).is_file()]
        needed = {student.teacher for student in missing}
        return [
            teacher
            for name, teacher in self.suite.teachers.items()
            if name in needed and teacher and not self.find_teacher(name)
        ] + missing

    def _run(self, waiting: List[Training]) -> List[Dict[str, str]]:
        failures: List[Dict[str, str]] = []
        running: List[Process] = []
        try:
            while waiting or running:
                for process in [
                    p for p in running if p.popen.poll() is not None
                ]:
                    running.remove(process)
                    self._finish(process, failures)
                self._start(waiting, running, failures)
                self.watcher.update(running, len(waiting))
                time.sleep(POLL_SECONDS)
        finally:
            for process in running:
                process.popen.terminate()
            for process in running:
                process.popen.wait()
        return failures

    def _result(self, training: Training) -> Path:
        return result_path(self.report, training)

    def find_teacher(self, name: str) -> Optional[Path]:
        """Find the checkpoint of a trained teacher.

        It is the suite's ``teacher_checkpoints``, or else the one that the
        report keeps.
        """
        given = self.suite.settings['teacher_checkpoints'].get(name)
        if given is not None:
            path = self.root / given
            if not path.is_file():
                raise SettingError(
                    f'The suite {self.suite.name} names {given} as the '
                    f'teacher {name}, but there is no such file; correct '
                    f'teacher_checkpoints, or leave it out to train one.'
                )
            return path
        path = self._teacher_path(name)
        return path if path.is_file() else None

    def _teacher_path(self, name: str) -> Path:
        return self.report / 'teachers' / f'{name}.pth'

    def _start(
        self,
        waiting: List[Training],
        running: List[Process],
        failures: List[Dict[str, str]],
    ) -> None:
        """Start what can be started."""
        failed = {failure['name'] for failure in failures}
        for training in list(waiting):
            if len(running) >= self.jobs:
                return
            teacher = self.suite.teachers.get(training.teacher)
            if not teacher or self.find_teacher(training.teacher):
                waiting.remove(training)
                slots = {process.slot for process in running}
                free = min(set(range(self.jobs)) - slots)
                process = self._launch(training, free)
                running.append(process)
            elif teacher.name in failed:
                waiting.remove(training)
                self._fail(training, 'its teacher failed', failures)

    def _launch(self, training: Training, slot: int) -> Process:
        """Start one training, or go on with it."""
        work_dir = self.work_dir / training.name
        start = find_start(work_dir)
        command = self._command(training)
        command += ['--work-dir', str(work_dir)]
        if start:
            command += ['--resume', str(checkpoint_path(work_dir, start))]
        work_dir.mkdir(parents=True, exist_ok=True)
        popen = start_python(
            command,
            folder=self.root,
            log=work_dir / OUTPUT,
            append=start > 0,
            threads=self.suite.settings['threads'],
            slot=slot,
        )
        commit = describe_commit(self.root, CODE)
        return Process(
            training, work_dir, popen, slot, time.time(), start, commit
        )

    def _command(self, training: Training) -> List[str]:
        """Write the command of a training, without its folder."""
        options = {**training.options, **KEEPING}
        if not self._is_given(training.teacher):
            path = self.find_teacher(training.teacher)
            if path.is_relative_to(self.root):
                path = path.relative_to(self.root)
            options['model.teacher_ckpt'] = path
        return [
            'tools/train.py',
            training.config,
            '--cfg-options',
            *format_options(options),
        ]

    def _finish(
        self, process: Process, failures: List[Dict[str, str]]
    ) -> None:
        """Keep what a training ended with."""
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
        """Write a training's result, and a teacher's weights before it."""
        training = process.training
        checkpoint = checkpoint_path(process.work_dir, training.epochs)
        if training.method == TEACHER:
            save_weights(checkpoint, self._teacher_path(training.pair))
        write_result(
            self._result(training),
            dict(
                pair=training.pair,
                method=training.method,
                seed=training.seed,
                config=training.config,
                digest=training.digest,
                command=shlex.join(['python', *self._command(training)]),
                teacher=self._teacher_hash(training),
                teacher_top1=read_teacher_accuracy(process.work_dir),
                top1=accuracies,
                iterations=count_iterations(checkpoint, training.epochs),
                step_seconds=read_step_seconds(process.work_dir),
                jobs=self.jobs,
                precision=self._precision(process.work_dir),
                machine=self.machine,
                **process.commit,
            ),
        )

    def _teacher_hash(self, training: Training) -> Optional[str]:
        """Hash the weights of a training's teacher, once a teacher."""
        name = training.teacher
        if self._is_given(name):
            return None
        if name not in self.teacher_hashes:
            self.teacher_hashes[name] = hash_weights(self.find_teacher(name))
        return self.teacher_hashes[name]

    def _precision(self, work_dir: Path) -> str:
        """Say in which precision a training's forward passes ran."""
        (config,) = work_dir.glob('*.py')
        text = config.read_text()
        if 'Bfloat16OptimWrapper' in text and has_fast_bfloat16():
            return 'bfloat16'
        return 'float16' if 'AmpOptimWrapper' in text else 'float32'

    def _fail(
        self,
        training: Training,
        reason: str,
        failures: List[Dict[str, str]],
    ) -> None:
        failures.append(dict(name=training.name, reason=reason))
        self.watcher.failed(training, reason)
