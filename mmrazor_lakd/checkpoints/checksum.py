"""Checksums beside checkpoints, since PyTorch doesn't notice a flipped bit."""

import hashlib
import os
from pathlib import Path
from typing import Union

from ..errors import SettingError

# epoch_3.pth has epoch_3.pth.sha256 beside it.
SUFFIX = '.sha256'


def checksum_path(path: Union[str, Path]) -> Path:
    """Return the path of a file's checksum."""
    return Path(f'{path}{SUFFIX}')


def checksum_line(path: Union[str, Path], content: bytes) -> str:
    """Return what ``sha256sum`` writes of a file.

    Args:
        path (str | Path): The file, of which the name alone is written, so
            that ``sha256sum -c`` works in a folder that was moved.
        content (bytes): The file's content.
    """
    return f'{hashlib.sha256(content).hexdigest()}  {Path(path).name}\n'


def check_checksum(path: Union[str, Path], name: str) -> None:
    """Raise if a file is not the one whose checksum is beside it.

    Without a checksum any file passes. The file's name isn't compared: both
    may have been renamed.

    Args:
        path (str | Path): The file.
        name (str): Its name, for the message.

    Raises:
        SettingError: If it differs, such as after an incomplete copy.
    """
    beside = checksum_path(os.path.expanduser(path))
    try:
        expected = beside.read_bytes()[:64].decode(errors='replace').lower()
    except FileNotFoundError:
        return
    digest = hashlib.sha256()
    with open(os.path.expanduser(path), 'rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    if digest.hexdigest() != expected:
        raise SettingError(
            f'{name} is truncated or damaged, since its SHA-256 is not the '
            f"one in '{beside.name}' beside it; give another checkpoint or "
            f'copy both files anew, or, if you have changed it yourself, '
            f"remove '{beside.name}'."
        )
