"""A folder in which one program at a time writes."""

from pathlib import Path
from typing import ContextManager, Union
from weakref import WeakValueDictionary

from filelock import BaseFileLock, FileLock, Timeout

from ..errors import SettingError

# One process may ask for a folder twice, such as for two hooks of a training.
_held: 'WeakValueDictionary[Path, BaseFileLock]' = WeakValueDictionary()


def lock_folder(folder: Union[str, Path], refusal: str) -> ContextManager:
    """Keep other processes from writing to a folder.

    The lock ends with the process, however that ends.

    Args:
        folder (str | Path): It is made where it is missing.
        refusal (str): What to tell the user where another process has it.

    Returns:
        ContextManager: The lock, taken; leaving it gives it back.

    Raises:
        SettingError: If another process has it.
    """
    path = Path(folder).resolve() / 'lock'
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = _held.setdefault(path, FileLock(path))
    try:
        return lock.acquire(timeout=0)
    except Timeout:
        raise SettingError(refusal) from None
