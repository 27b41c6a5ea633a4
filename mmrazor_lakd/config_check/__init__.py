"""What is wrong with a config, told before anything is built from it."""

from typing import Optional, Sequence

from mmengine.config import Config

from .failures import add_key, explain
from .names import check_names, check_section_entries
from .reading import configs_near, read_config_file
from .reduction import reduce, sentence_of
from .registered import check_parts
from .values import check_values

__all__ = [
    'add_key',
    'check_config',
    'configs_near',
    'explain',
    'read_config_file',
    'reduce',
    'sentence_of',
]


def check_config(
    cfg: Config,
    needed: Sequence[str] = (),
    used: Optional[Sequence[str]] = None,
    scope: str = 'mmengine',
) -> None:
    """Refuse names, types, arguments and values that can't be right.

    Nothing is built, and nothing is refused that MMEngine would build and
    read; what can't be told for certain is told when it is built, by
    :func:`explain`.

    Args:
        cfg (Config): With all options merged into it.
        needed (Sequence[str]): Sections that the tool can't do without.
        used (Sequence[str], optional): Sections that it uses, where it is no
            Runner that takes them all.
        scope (str): Where types are looked up if the config has no
            default_scope.

    Raises:
        SettingError: Naming the key, what is expected and the nearest names.
    """
    settings = {
        name: value
        for name, value in cfg.items()
        if used is None or name in (*used, 'default_scope')
    }
    check_names(settings, cfg.text)
    check_values(settings, needed)
    check_section_entries(settings)
    check_parts(settings, scope)
