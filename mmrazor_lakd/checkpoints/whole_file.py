"""Files that are always complete, whenever a program is killed."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Union

from ..errors import SettingError
from .checksum import checksum_line, checksum_path

# Suffix of a file that is being written.
UNFINISHED = '.unfinished'


def write_whole(
    path: Union[str, Path], content: bytes, checksum: bool = False
) -> None:
    """Write a file atomically.

    Until the new content is on disk, the old content stays.

    Args:
        path (str | Path): Its folder is created if missing.
        content (bytes): All of it.
        checksum (bool): Whether to write the checksum beside it, see
            :mod:`~mmrazor_lakd.checkpoints.checksum`. Defaults to False.

    Raises:
        SettingError: If it can't be written, such as on a full disk.
    """
    path = Path(path)
    contents = {path: content}
    if checksum:
        line = checksum_line(path, content)
        contents[checksum_path(path)] = line.encode()
    unfinished = {p: p.with_name(p.name + UNFINISHED) for p in contents}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for name, aside in unfinished.items():
            with aside.open('wb') as file:
                file.write(contents[name])
                file.flush()
                os.fsync(file.fileno())
        if checksum:
            # Killed from here on, it leaves a file without a checksum, which
            # loads, and not one with another's.
            checksum_path(path).unlink(missing_ok=True)
        for name, aside in unfinished.items():
            os.replace(aside, name)
    except OSError as error:
        for aside in unfinished.values():
            with suppress(OSError):  # a disk that has become read-only
                aside.unlink()
        raise SettingError(
            f"'{path}' could not be written ({error.strerror or error}); what "
            f'was there before is kept: make room, or name another folder.'
        ) from error
    if os.name == 'posix':
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Let new names reach the disk, where the file system can do that."""
    with suppress(OSError):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
