"""Starts trainings as processes, and explains failures."""

import ctypes
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable, List, Optional

import torch

# Loaded before forking: in a forked process, loading could hang.
LIBC = ctypes.CDLL(None) if sys.platform == 'linux' else None
PR_SET_PDEATHSIG = 1


def start_python(
    command: List[str],
    folder: Path,
    log: Path,
    append: bool,
    threads: Optional[int],
    slot: int,
) -> subprocess.Popen:
    """Start a Python program that ends with this one.

    Args:
        command (list[str]): The program and its arguments.
        folder (Path): Where to run it.
        log (Path): File for its output.
        append (bool): Whether to append to the log.
        threads (int, optional): Of PyTorch on the CPU.
        slot (int): Number of the process among those that run at once, from 0.
            With several GPUs, it decides which one is used.
    """
    env = dict(os.environ)
    if threads:
        env['OMP_NUM_THREADS'] = env['MKL_NUM_THREADS'] = str(threads)
    if torch.cuda.device_count() > 1:
        gpus = _visible_gpus()
        env['CUDA_VISIBLE_DEVICES'] = gpus[slot % len(gpus)]
    with log.open('a' if append else 'w') as file:
        return subprocess.Popen(
            [sys.executable, *command],
            cwd=folder,
            env=env,
            stdout=file,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            preexec_fn=_end_with_parent,
        )


def wait_for(
    process: subprocess.Popen, watch: Callable[[], None], seconds: float
) -> None:
    """Wait for a process, and end it if interrupted.

    Args:
        process (Popen): The process.
        watch (Callable): Called at intervals in the meantime.
        seconds (float): Length of the intervals.
    """
    try:
        while process.poll() is None:
            time.sleep(seconds)
            watch()
    except BaseException:
        process.kill()
        raise


def _visible_gpus() -> List[str]:
    """List the GPUs that this process may use, by their CUDA names."""
    named = os.environ.get('CUDA_VISIBLE_DEVICES')
    if named:
        return named.split(',')
    return [str(number) for number in range(torch.cuda.device_count())]


def _end_with_parent() -> None:
    """Make Linux end the process when its parent is killed.

    Otherwise it would continue unseen, next to a second one after a restart.
    """
    if LIBC is not None:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def explain_failure(returncode: int, log: Path) -> str:
    """Explain in one line why a process failed.

    Args:
        returncode (int): Not 0; negative for a signal.
        log (Path): File with its output.

    Returns:
        str: The signal; or the last line of the log that reports an error; or
        else its last line.
    """
    if returncode < 0:
        return f'ended by signal {-returncode}'
    lines = log.read_text(errors='replace').splitlines()
    told = [
        i for i in lines if re.match(r'error: |[\w.]+(Error|Exception)', i)
    ]
    return ' '.join((told or lines or ['it printed nothing'])[-1].split())
