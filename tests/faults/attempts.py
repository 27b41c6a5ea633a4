"""Processes of tools/train.py that are watched, and killed at a moment."""

import os
import re
import signal
import socket
import time
from pathlib import Path
from typing import List, NamedTuple, Set, Tuple

from fork_server import start_ranks, start_tool
from killed_trainings import EPOCH, TRAININGS

# Lines of the log, by which a moment is found.
LINES = dict(
    step=r'(Epoch|Iter)\(train\)',
    validation=r'(Epoch|Iter)\(val\)',
    save='Saving checkpoint',
)


class Kill(NamedTuple):
    """A signal at a random moment.

    Attributes:
        number (int): The signal.
        event (str): What to wait for, such as a step.
        count (int): For how many of them.
        delay (float): Seconds to wait after it.
        spares (bool): Whether a rank and the workers don't get it.
    """

    number: int
    event: str
    count: int
    delay: float
    spares: bool

    def __str__(self) -> str:
        name = signal.Signals(self.number).name
        return f'{name}@{self.event}{self.count}'


class Attempt:
    """Processes that train in a folder."""

    def __init__(self, name: str, config: Path, folder: Path) -> None:
        self.folder = folder
        # Of earlier attempts.
        self.old = len(self.read_log())
        self.left = self.unfinished()
        command = ['tools/train.py', config, '--work-dir', folder, '--resume']
        if TRAININGS[name].ranks == 1:
            self.ranks = [start_tool(*command)]
        else:
            with socket.socket() as free:
                free.bind(('127.0.0.1', 0))
                port = free.getsockname()[1]
            command += ['--launcher', 'pytorch']
            self.ranks = start_ranks(*command, port=port)

    def read_log(self) -> List[str]:
        logs = sorted(self.folder.glob('*/*.log'))
        return ''.join(log.read_text() for log in logs).splitlines()

    def lines(self) -> List[str]:
        """Return this attempt's lines of the log."""
        return self.read_log()[self.old :]

    def count(self, event: str) -> int:
        return sum(bool(re.search(LINES[event], x)) for x in self.lines())

    def wait_for(self, kill: Kill) -> bool:
        """Wait for the moment of a kill; tell whether it came."""
        writes, writing = 0, False
        while all(rank.is_running() for rank in self.ranks):
            if kill.event == 'write':
                was, writing = writing, self.is_writing()
                writes += writing and not was
                come = writes >= kill.count
            else:
                come = kill.event == 'start' or (
                    self.count(kill.event) >= kill.count
                )
                time.sleep(0.002)
            if come:
                time.sleep(kill.delay)
                return all(rank.is_running() for rank in self.ranks)
        return False

    def unfinished(self) -> Set[Tuple[str, int]]:
        """Return the files that are being written, or were when killed."""
        found = set()
        for path in self.folder.glob('*.unfinished'):
            try:
                found.add((path.name, path.stat().st_mtime_ns))
            except FileNotFoundError:  # it is finished
                pass
        return found

    def is_writing(self) -> bool:
        """Check for files that are not an earlier attempt's."""
        return bool(self.unfinished() - self.left)

    def place(self) -> str:
        """Tell where a frozen training is, by what it has left so far."""
        if self.is_writing():
            return 'writing a checkpoint'
        marks = [
            (name, line)
            for line in self.lines()
            for name, mark in LINES.items()
            if re.search(mark, line)
        ]
        name, line = marks[-1] if marks else ('', '')
        if name == 'save':
            number, kind = re.findall(r'(\d+) (epoch|iter)', line)[0]
            pointer = self.folder / 'last_checkpoint'
            saved = pointer.exists() and pointer.read_text()
            if not saved or not saved.endswith(f'{kind}_{number}.pth'):
                return 'making a checkpoint'
            return 'a validation' if kind == 'epoch' else 'a step'
        if name == 'validation' and 'accuracy' not in line:
            return 'a validation'
        return 'a step' if name else 'before the first step'

    def kill(self, kill: Kill) -> str:
        """Freeze the processes, look where they are, and send the signal."""
        for rank in self.ranks:
            os.kill(rank.pid, signal.SIGSTOP)
        place = self.place()
        ranks = self.ranks[: 1 if kill.spares else None]
        for rank in ranks:
            # Workers belong to the group.
            send = os.kill if kill.spares else os.killpg
            send(rank.pid, kill.number)
        for rank in self.ranks:
            try:
                os.kill(rank.pid, signal.SIGCONT)
            except ProcessLookupError:
                pass
        return place

    def iteration(self) -> int:
        """Return the last iteration in the log."""
        found = re.findall(
            r'(?:Epoch\(train\) +\[(\d+)\]|Iter\(train\) )\[ *(\d+)/',
            '\n'.join(self.read_log()),
        )
        epoch, batch = found[-1] if found else ('', 0)
        return EPOCH * (int(epoch or 1) - 1) + int(batch)

    def finish(self):
        return [rank.finish() for rank in self.ranks]
