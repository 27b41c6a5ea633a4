"""A lock on a folder, so that only one program at a time writes to it."""

from pathlib import Path
from typing import ContextManager, Union
from weakref import WeakValueDictionary

from filelock import BaseFileLock, FileLock, Timeout

from ..errors import SettingError

# One process may lock a folder twice, such as for two hooks of a training.
_held: 'WeakValueDictionary[Path, BaseFileLock]' = WeakValueDictionary()


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
