"""Choose what a config consists of: its base files and their changes."""

from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Tuple

from mmengine.config import Config

from ..errors import SettingError, nearest

PAIRS = Path('_base_', 'pairs')
DISTILLERS = Path('_base_', 'distillers')
#: the parts of an algorithm that a method may set, in the order written
PARTS = ('architecture', 'distiller')
#: what else of a training a method may set
OTHERS = ('train_dataloader',)
#: what a student's head takes from the teacher's, if it has such a key
TEACHER_CHANNELS = 'teacher_channels=_base_.model.teacher.head.in_channels'
#: the student of a pair without a teacher
ALONE = 'alone'


class Choice(NamedTuple):
    """A method for a pair of networks.

    Attributes:
        bases (tuple[Path]): Base files of the config.
        changes (tuple[tuple[str, str]]): Variables of these files, each with
            what it is updated with: an entry of ``method_settings``, or
            ``teacher_channels`` from the teacher's head.
        parts (dict[str, str]): The variable of each part of the algorithm;
            empty for the student alone.
        others (dict[str, str]): The variable of each other key of the config.
    """

    bases: Tuple[Path, ...]
    changes: Tuple[Tuple[str, str], ...] = ()
    parts: Dict[str, str] = {}
    others: Dict[str, str] = {}


def list_methods(configs: Path) -> List[str]:
    """List the methods in a folder of configs: alone, and the distillers."""
    return [ALONE, *_names(configs / DISTILLERS)]


def list_pairs(configs: Path) -> List[str]:
    """List the pairs in a folder of configs."""
    return _names(configs / PAIRS)


def choose(configs: Path, method: str, pair: str) -> Choice:
    """Choose what the config of a method for a pair consists of.

    The pair's ``method_settings`` for a method also apply to methods that are
    built on it.

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
    parts, others = (
        {
            key: f'{method}_{key}'
            for key in keys
            if f'{method}_{key}' in distiller
        }
        for keys in (PARTS, OTHERS)
    )
    under = [
        name[: -len('_distiller')]
        for name in distiller
        if name.endswith('_distiller') and name != f'{method}_distiller'
    ]
    changes = tuple(
        (variable, f'_base_.method_settings.{name}_{part}')
        for part, variable in parts.items()
        for name in (*under, method)
        if f'{name}_{part}' in settings
    )
    head = distiller.get(f'{method}_architecture', {}).get('head', {})
    if 'teacher_channels' in head:
        changes += ((f'{method}_architecture.head', TEACHER_CHANNELS),)
    return Choice((pair_file, method_file), changes, parts, others)


def _names(folder: Path) -> List[str]:
    return sorted(path.stem for path in folder.glob('*.py'))


@lru_cache(maxsize=None)  # a suite reads each pair once per method
def _read(path: Path) -> Dict[str, Any]:
    return Config.fromfile(path).to_dict()
