"""A lock on a folder, so that only one program at a time writes to it."""

import os
from pathlib import Path
from typing import ContextManager, Union
from weakref import WeakValueDictionary

from filelock import BaseFileLock, FileLock, Timeout

from ..errors import SettingError

# What launchers set.
RANKS = ('RANK', 'SLURM_PROCID', 'OMPI_COMM_WORLD_RANK')
# One process may lock a folder twice, such as for two hooks of a training.
_held: 'WeakValueDictionary[Path, BaseFileLock]' = WeakValueDictionary()


def lock_work_dir(folder: Union[str, Path]) -> ContextManager:
    """Keep a second training from writing to a work directory.

    Raises:
        SettingError: If one is at work there.
    """
    return lock_folder(
        folder,
        f"Another training is at work in '{folder}', and the two would "
        f"remove each other's checkpoints; wait for it, or give another "
        f'--work-dir.',
    )


def is_first_process(launcher: str) -> bool:
    """Check whether this is rank 0, before the process group is there."""
    ranks = [os.environ.get(name, '0') for name in RANKS]
    return launcher == 'none' or all(rank == '0' for rank in ranks)


def lock_folder(folder: Union[str, Path], refusal: str) -> ContextManager:
    """Keep other processes from writing to a folder.

    The lock is released when the process ends, however it ends.

    Args:
        folder (str | Path): Created if missing.
        refusal (str): The message if another process holds the lock.

    Returns:
        ContextManager: The acquired lock, released on exit.

    Raises:
        SettingError: If another process holds it.
    """
    path = Path(folder).resolve() / 'lock'
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = _held.setdefault(path, FileLock(path))
    try:
        return lock.acquire(timeout=0)
    except Timeout:
        raise SettingError(refusal) from None
