"""What a process holds, read from /proc while it runs."""

import os
import subprocess
import sys
from pathlib import Path
from statistics import median_low
from typing import NamedTuple, Optional, Sequence

from processes import clean_environment

ROOT = Path(__file__).resolve().parents[2]


def start(*command, **more):
    """Start a Python program of the project, on one thread."""
    path = os.pathsep.join([str(ROOT), str(ROOT / 'tests')])
    env = dict(clean_environment(), OMP_NUM_THREADS='1', PYTHONPATH=path)
    return subprocess.Popen(
        [sys.executable, *map(str, command)],
        cwd=ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        **more,
    )


class Held(NamedTuple):
    """What a process holds at a moment.

    Attributes:
        mib (float): Its resident memory.
        files (int): Its open file descriptors.
        threads (int): Its threads.
    """

    mib: float
    files: int
    threads: int


def held(pid: int) -> Optional[Held]:
    """Read what a process holds; None if it has ended."""
    folder = Path('/proc', str(pid))
    try:
        lines = (folder / 'status').read_text().splitlines()
        found = dict(line.split(':', 1) for line in lines)
        files = len(os.listdir(folder / 'fd'))
        mib = int(found['VmRSS'].split()[0]) / 1024
    except (FileNotFoundError, ProcessLookupError, KeyError):
        return None
    return Held(mib, files, int(found['Threads']))


def assert_flat(samples: Sequence[Held], mib: float) -> None:
    """Compare the second of five parts with the last one.

    The first fills caches. Of memory the largest value of a part counts: each
    has the same phases, such as epochs. Of files and threads the median: some
    samples see a checkpoint being written.

    Args:
        samples (Sequence[Held]): In order.
        mib (float): How much memory may be added, in MiB: an allocator's
            fragments.
    """
    part = len(samples) // 5
    assert part >= 5, f'{len(samples)} samples are too few'
    early, late = samples[part : 2 * part], samples[-part:]

    def summary(some):
        mib, files, threads = zip(*some)
        return Held(max(mib), median_low(files), median_low(threads))

    before, after = summary(early), summary(late)
    print(f'held: {before}, at the end {after}')
    assert after.mib <= before.mib + mib, (before, after)
    assert after.files <= before.files, (before, after)
    assert after.threads <= before.threads, (before, after)
