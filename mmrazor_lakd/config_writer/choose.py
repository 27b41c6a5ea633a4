"""What a config consists of: which files, and what changes in them."""

from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Tuple

from mmengine.config import Config

from ..errors import SettingError, nearest

PAIRS = Path('_base_', 'pairs')
DISTILLERS = Path('_base_', 'distillers')
#: the parts of an algorithm that a method may speak of, in the order written
PARTS = ('architecture', 'distiller')
#: the student of a pair without a teacher
ALONE = 'alone'


class Choice(NamedTuple):
    """A method for a pair of networks.

    Attributes:
        bases (tuple[Path]): Files that the config lies over.
        changes (tuple[tuple[str, str]]): A variable of these files, and the
            entry of ``method_settings`` that changes it.
        parts (dict[str, str]): The variable of each part of the algorithm;
            none for the student alone.
    """

    bases: Tuple[Path, ...]
    changes: Tuple[Tuple[str, str], ...] = ()
    parts: Dict[str, str] = {}


def list_methods(configs: Path) -> List[str]:
    """List the methods of a folder of configs: distillers, and none."""
    return [ALONE, *_names(configs / DISTILLERS)]


def list_pairs(configs: Path) -> List[str]:
    """List the pairs in a folder of configs."""
    return _names(configs / PAIRS)


def choose(configs: Path, method: str, pair: str) -> Choice:
    """Choose what the config of a method for a pair consists of.

    What the pair's file says of a method, in ``method_settings``, holds for
    those that are built on that method, too.

    Args:
        configs (Path): The folder of configs.
        method (str): Name of a file in its ``_base_/distillers``, or
            :data:`ALONE`.
        pair (str): Name of a file in its ``_base_/pairs``.

    Raises:
        SettingError: If there is no such method or pair.
    """
    for kind, name, known in (
        ('method', method, list_methods(configs)),
        ('pair', pair, list_pairs(configs)),
    ):
        if name not in known:
            raise SettingError(
                f"There is no {kind} '{name}'; the nearest ones are: "
                f'{nearest(name, known)}.'
            )
    pair_file = configs / PAIRS / f'{pair}.py'
    if method == ALONE:
        return Choice((pair_file,))
    method_file = configs / DISTILLERS / f'{method}.py'
    settings = _read(pair_file).get('method_settings', {})
    distiller = _read(method_file)
    parts = {
        part: f'{method}_{part}'
        for part in PARTS
        if f'{method}_{part}' in distiller
    }
    under = [
        name[: -len('_distiller')]
        for name in distiller
        if name.endswith('_distiller') and name != f'{method}_distiller'
    ]
    changes = tuple(
        (variable, f'{name}_{part}')
        for part, variable in parts.items()
        for name in (*under, method)
        if f'{name}_{part}' in settings
    )
    return Choice((pair_file, method_file), changes, parts)


def _names(folder: Path) -> List[str]:
    return sorted(path.stem for path in folder.glob('*.py'))


@lru_cache(maxsize=None)  # a suite asks for each pair once a method
def _read(path: Path) -> Dict[str, Any]:
    return Config.fromfile(path).to_dict()
