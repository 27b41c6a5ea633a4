"""Map methods and pairs to the paths of their configs, and back."""

from pathlib import Path
from typing import List, Optional, Tuple

from .choose import ALONE, PAIRS, list_methods, list_pairs


def configs_folder() -> Path:
    """Find the folder of configs in a checkout or an installed wheel."""
    package = Path(__file__).resolve().parents[1]
    checkout = package.parent / 'configs'
    if (checkout / PAIRS).is_dir():
        return checkout
    return package / '.mim' / 'configs'


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
