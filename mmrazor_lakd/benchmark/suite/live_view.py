"""Shows the progress of a suite on the console."""

import time
from typing import Dict, List, Optional, Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from .launch import Process
from .results import read_accuracies
from .settings import TEACHER
from .training import Training


class SuiteView:
    """A live table of the running trainings; plain lines without a terminal.

    Args:
        trainings (Sequence[Training]): The trainings to run.
        jobs (int): Number of trainings that run at once.
        console (Console): Where to show it.
    """

    def __init__(
        self, trainings: Sequence[Training], jobs: int, console: Console
    ) -> None:
        self.jobs = jobs
        self.console = console
        self.total = len(trainings)
        self.done = 0
        # epochs still to train, by name
        self.left: Dict[str, int] = {t.name: t.epochs for t in trainings}
        self.seconds: List[float] = []  # of each epoch trained so far
        self.started = time.time()
        self.live = Live(console=console, refresh_per_second=2)

    def __enter__(self) -> 'SuiteView':
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *error) -> None:
        if self.console.is_terminal:
            self.live.stop()

    def update(self, running: Sequence[Process], waiting: int) -> None:
        """Show the running trainings."""
        if not self.console.is_terminal:
            return
        table = Table(box=None, pad_edge=False)
        for name in ('at work', 'epoch', 'top-1 %', 'elapsed', 'left'):
            table.add_column(
                name, justify='left' if name == 'at work' else 'right'
            )
        speeds = []
        # those at work first: the table may be longer than the screen
        for process in sorted(running, key=lambda p: p.job.seconds is None):
            training = process.training
            known = read_accuracies(process.work_dir)
            epoch = max(known, default=0)
            elapsed = process.job.seconds
            self.left[training.name] = training.epochs - epoch
            trained = epoch - process.prepared.start_epoch
            speed = elapsed / trained if elapsed and trained else None
            if speed:
                speeds.append(speed)
            table.add_row(
                title(training),
                f'{epoch} of {training.epochs}',
                f'{known[epoch]:.2f}' if epoch else '',
                'queued' if elapsed is None else duration(elapsed),
                duration(speed and speed * (training.epochs - epoch)),
            )
        left = duration(self.time_left(speeds))
        head = Text(
            f'{self.done} of {self.total} trainings done, {waiting} waiting, '
            f'{duration(time.time() - self.started)} elapsed, {left} left'
        )
        bar = ProgressBar(total=self.total or 1, completed=self.done, width=40)
        self.live.update(Group(head, bar, table))

    def time_left(self, speeds: Sequence[float] = ()) -> Optional[float]:
        """Estimate the seconds left, from all epochs so far."""
        known = [*self.seconds, *speeds]
        if not known:
            return None
        epochs = sum(self.left.values())
        return epochs * sum(known) / len(known) / self.jobs

    def finished(self, process: Process, accuracy: float) -> None:
        """Report that a training is done, with its accuracy."""
        training = process.training
        seconds = process.job.seconds
        trained = training.epochs - process.prepared.start_epoch
        if seconds and trained:
            self.seconds.append(seconds / trained)
        self._end(training)
        self._print(
            f'{self.done} of {self.total}: {title(training)}: '
            f'{accuracy:.2f} % after {training.epochs} epochs, in '
            f'{duration(seconds)}; {duration(self.time_left())} left'
        )

    def failed(self, training: Training, reason: str) -> None:
        """Report that a training has failed."""
        self._end(training)
        self._print(f'{title(training)} FAILED: {reason}')

    def _end(self, training: Training) -> None:
        self.done += 1
        self.left.pop(training.name, None)

    def _print(self, line: str) -> None:
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)


def title(training: Training) -> str:
    """Return a training's name on the console."""
    if training.method == TEACHER:
        return f'teacher {training.pair}'
    return f'{training.method}, seed {training.seed}, {training.pair}'


def duration(seconds: Optional[float]) -> str:
    """Format a duration for a user.

    Examples:
        >>> duration(42.1), duration(200), duration(9000), duration(None)
        ('42 s', '3 min 20 s', '2 h 30 min', '?')
    """
    if seconds is None:
        return '?'
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f'{hours} h {minutes} min'
    return f'{minutes} min {seconds} s' if minutes else f'{seconds} s'
