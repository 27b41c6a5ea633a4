"""MMEngine's backend for files that are always complete."""

from pathlib import Path
from typing import Collection, List, Union

from mmengine.fileio import LocalBackend, register_backend

from ..checkpoints.checksum import checksum_path
from ..checkpoints.whole_file import write_whole

# its name in MMEngine
WHOLE_FILE = 'whole_file'


@register_backend(WHOLE_FILE)
class WholeFileBackend(LocalBackend):
    """MMEngine's backend for local files, safe against being killed.

    A written file is complete or absent (:func:`write_whole`), with its
    checksum beside it; a file to be removed stays until its successor exists
    (:meth:`remove_outdated`).
    """

    def __init__(self) -> None:
        self._outdated: List[str] = []

    def put(self, obj: bytes, filepath: Union[str, Path]) -> None:
        """Write bytes and their checksum; see :func:`write_whole`."""
        write_whole(filepath, obj, checksum=True)

    def remove(self, filepath: Union[str, Path]) -> None:
        """Remove a file at the next :meth:`remove_outdated`."""
        self._outdated.append(str(filepath))

    def rmtree(self, dir_path: Union[str, Path]) -> None:
        """Remove a folder at the next :meth:`remove_outdated`."""
        self._outdated.append(str(dir_path))

    def remove_outdated(self, keep: Collection[str] = ()) -> None:
        """Remove the files and folders marked for removal.

        Args:
            keep (Collection[str]): Paths that have been written again since.
        """
        outdated, self._outdated = self._outdated, []
        for path in outdated:
            if path in keep:
                continue
            # Not the other way round, since the next start looks for the file.
            checksum_path(path).unlink(missing_ok=True)
            remove = super().rmtree if self.isdir(path) else super().remove
            remove(path)
