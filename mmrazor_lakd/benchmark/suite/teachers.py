"""The trained teachers of a suite: their checkpoints and hashes."""

from pathlib import Path
from typing import Dict, List, Optional, Union

from ...errors import SettingError
from .results import hash_text, hash_weights
from .suite import Suite
from .training import Training

#: how to get the files that our suites name, by their first folder
WAYS_TO_GET = {
    'docs': ' (a clone of the project has it, a wheel leaves docs/ out)',
    'checkpoints': ' (docs/en/user_guides/teachers.md says how to get it)',
}


class Teachers:
    """Finds the teachers of a suite.

    Args:
        suite (Suite): The suite.
        root (Path): The project's folder.
        report (Path): Folder for trained teachers.
    """

    def __init__(self, suite: Suite, root: Path, report: Path) -> None:
        self.suite = suite
        self.root = root
        self.report = report
        self.hashes: Dict[str, str] = {}

    def path(self, name: str) -> Path:
        """Return the file of a teacher that the suite trains."""
        return self.report / 'teachers' / f'{name}.pth'

    def find(self, name: str) -> Optional[Path]:
        """Find the checkpoint of a trained teacher.

        It is the one in the suite's ``teacher_checkpoints``, or, if there is
        none or it is None, the one that the report keeps.

        Raises:
            SettingError: If the suite names a file that doesn't exist.
        """
        given = self.suite.settings['teacher_checkpoints'].get(name)
        if given is not None:
            path = self.root / given
            if not path.is_file():
                source = WAYS_TO_GET.get(given.partition('/')[0], '')
                raise SettingError(
                    f'The suite {self.suite.name} takes its teacher {name} '
                    f'from {path}, where there is no file{source}; give '
                    f'--cfg-options teacher_checkpoints.{name}=PATH, or None '
                    f'in place of the path to train one.'
                )
            return path
        path = self.path(name)
        return path if path.is_file() else None

    def is_given(self, name: Optional[str]) -> bool:
        """Check whether the configs themselves name a teacher's checkpoint."""
        return self.suite.teachers.get(name) is None

    def source(self, student: Training) -> Union[None, str, Path, List]:
        """Find what a training's teacher is loaded from.

        Returns:
            None | str | Path | list: A file, or what the configs name: a file
            or an address, or one for each of several teachers; None without a
            teacher, and for one that is still to be trained.
        """
        if self.is_given(student.teacher):
            return student.teacher_ckpt
        return self.find(student.teacher)

    def hash(self, student: Training) -> Optional[str]:
        """Hash the weights of a training's teacher; None without any.

        Of weights that the configs name by an address, the address is hashed.

        Raises:
            SettingError: If a file doesn't exist or can't be read.
        """
        source = self.source(student)
        if isinstance(source, (list, tuple)):
            hashes = [self._hash(str(one)) if one else '-' for one in source]
            return hash_text(' '.join(hashes))
        return self._hash(str(source)) if source else None

    def check_given(self) -> None:
        """Read the teachers that the suite names.

        Raises:
            SettingError: If one doesn't exist or can't be read.
        """
        for name, given in self.suite.settings['teacher_checkpoints'].items():
            if given is not None:
                self._hash(str(self.find(name)))

    def _hash(self, source: str) -> str:
        """Hash the weights in a file, or an address."""
        if source not in self.hashes:
            self.hashes[source] = (
                hash_text(source)
                if '://' in source
                else hash_weights(self.root / Path(source).expanduser())
            )
        return self.hashes[source]
