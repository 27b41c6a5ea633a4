"""What is wrong with a config, told before anything is built from it."""

from typing import Sequence

from mmengine.config import Config

from .failures import explain
from .names import check_entries, check_names
from .reading import configs_near, read_config_file
from .registered import check_parts
from .values import check_values

__all__ = [
    'check_config',
    'configs_near',
    'explain',
    'read_config_file',
]


def check_config(
    cfg: Config, needed: Sequence[str] = (), scope: str = 'mmengine'
) -> None:
    """Refuse names, types, arguments and values that can't be right.

    Nothing is built, and nothing is refused that MMEngine would build and
    read; what can't be told for certain is told when it is built, by
    :func:`explain`.

    Args:
        cfg (Config): With all options merged into it.
        needed (Sequence[str]): Sections that the tool can't do without.
        scope (str): Where types are looked up if the config has no
            default_scope.

    Raises:
        SettingError: Naming the key, what is expected and the nearest names.
    """
    check_names(cfg)
    check_values(cfg, needed)
    check_entries(cfg)
    check_parts(cfg, scope)
