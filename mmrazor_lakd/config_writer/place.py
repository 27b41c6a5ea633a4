"""Map methods and pairs to the paths of their configs, and back."""

import os
from pathlib import Path
from typing import List, Optional, Tuple, Union

from .choose import ALONE, PAIRS, list_methods, list_pairs


def configs_folder() -> Path:
    """Find the folder of configs in a checkout or an installed wheel."""
    package = Path(__file__).resolve().parents[1]
    checkout = package.parent / 'configs'
    if (checkout / PAIRS).is_dir():
        return checkout
    return package / '.mim' / 'configs'


def relative_path(path: Union[str, Path], folder: Path) -> str:
    """Return a path relative to a folder, as in ``_base_``.

    MMEngine removes ``..`` without looking where symbolic links lead, and
    opens files as the system does, which follows them first. A relative path
    that only one of both would understand is left absolute.

    Args:
        path (str | Path): A file.
        folder (Path): The folder of the config that names it.
    """
    file = os.path.abspath(path)
    relative = os.path.relpath(file, os.path.abspath(folder))
    if relative != os.path.relpath(Path(path).resolve(), folder.resolve()):
        return Path(file).as_posix()
    relative = Path(relative).as_posix()
    return relative if relative.startswith('.') else f'./{relative}'


def config_path(configs: Path, method: str, pair: str) -> Path:
    """Return the path of the config of a method for a pair.

    A variant is in its method's folder, with its own name after the pair's:
    ``lakd/lakd_PAIR_literal.py``. The student alone is among the teachers.

    Args:
        configs (Path): The folder of configs.
        method (str): Such as ``'kd'`` or ``'lakd_literal'``.
        pair (str): Such as ``'resnet56_resnet20_1xb64_cifar100'``.
    """
    if method == ALONE:
        return configs / 'teachers' / f'{pair.split("_", 1)[-1]}.py'
    family, variant = _family(method, list_methods(configs))
    ending = f'_{variant}' if variant else ''
    return configs / family / f'{family}_{pair}{ending}.py'


def find_choice(configs: Path, path: Path) -> Optional[Tuple[str, str]]:
    """Find the method and pair of a config from its path; None for others.

    Args:
        configs (Path): The folder of configs.
        path (Path): Path of the config, which need not exist.
    """
    methods, pairs = list_methods(configs), list_pairs(configs)
    folders = {path.parent.name, 'alone'}
    for method in methods:
        if _family(method, methods)[0] in folders:
            for pair in pairs:
                if path == config_path(configs, method, pair):
                    return method, pair
    return None


def _family(method: str, methods: List[str]) -> Tuple[str, str]:
    """Split a variant's name into the method's and its own."""
    family, _, variant = method.partition('_')
    return (family, variant) if family in methods else (method, '')
