"""The trainings of a suite at work, as processes on this machine."""

import subprocess
import time
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Protocol, Sequence

from ..processes import explain_failure, start_python
from .results import find_start_epoch
from .training import Training

OUTPUT = 'output.log'
# The settings for a training's process.
SETTINGS_FILE = 'settings.json'


class Start(NamedTuple):
    """What a training's process needs, on any machine.

    Attributes:
        work_dir (Path): Its folder, with :data:`SETTINGS_FILE`.
        root (Path): The project's folder.
        threads (int): Of PyTorch on the CPU.
        slot (int): Its number among those that run at once; see
            :func:`~mmrazor_lakd.benchmark.processes.start_python`.
    """

    work_dir: Path
    root: Path
    threads: int
    slot: int


class Job(Protocol):
    """A training at work, or in a cluster's queue."""

    @property
    def seconds(self) -> Optional[float]:
        """float: How long it has been at work; None in the queue."""

    def poll(self) -> Optional[int]:
        """Return its exit status; None until it has ended."""

    def explain(self) -> str:
        """Explain in one line why it failed."""

    def terminate(self) -> None:
        """Stop it."""


class Prepared(NamedTuple):
    """A training that can be started or resumed."""

    training: Training
    start: Start
    start_epoch: int
    commits: List[Dict[str, Any]]
    command: str


class Process(NamedTuple):
    """A training at work, or in a cluster's queue."""

    prepared: Prepared
    job: Job

    @property
    def training(self) -> Training:
        """Training: The training."""
        return self.prepared.training

    @property
    def work_dir(self) -> Path:
        """Path: Its folder."""
        return self.prepared.start.work_dir


class Launcher(Protocol):
    """Starts trainings.

    Attributes:
        is_remote (bool): Whether they may run on other machines.
    """

    is_remote: bool

    def start(self, starts: Sequence[Start]) -> List[Job]:
        """Start or resume trainings."""


class LocalJob:
    """A training as a process that ends with this one."""

    def __init__(self, start: Start) -> None:
        self.popen = start_training(start)
        self.log = start.work_dir / OUTPUT
        self.started = time.time()

    @property
    def seconds(self) -> float:
        """float: How long it has been at work."""
        return time.time() - self.started

    def poll(self) -> Optional[int]:
        """Return its exit status; None until it has ended."""
        return self.popen.poll()

    def explain(self) -> str:
        """Explain in one line why it failed."""
        return explain_failure(self.popen.returncode, self.log)

    def terminate(self) -> None:
        """Stop it."""
        self.popen.terminate()


class LocalLauncher:
    """Starts each training as a process of its own."""

    is_remote = False

    def start(self, starts: Sequence[Start]) -> List[Job]:
        """Start or resume trainings."""
        return [LocalJob(start) for start in starts]


def start_training(start: Start) -> subprocess.Popen:
    """Start or resume a training on this machine."""
    return start_python(
        [
            '-m',
            'mmrazor_lakd.benchmark.suite.train',
            str(start.work_dir / SETTINGS_FILE),
        ],
        folder=start.root,
        log=start.work_dir / OUTPUT,
        append=find_start_epoch(start.work_dir) > 0,
        threads=start.threads,
        slot=start.slot,
    )


class Watcher(Protocol):
    """Shows the progress of a suite."""

    def update(self, running: Sequence['Process'], waiting: int) -> None:
        """Show the running trainings; called every second."""

    def finished(self, process: 'Process', accuracy: float) -> None:
        """Show that a training is done."""

    def failed(self, training: Training, reason: str) -> None:
        """Show that a training has failed."""
