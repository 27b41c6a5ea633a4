"""Find what is wrong with a config before anything is built from it."""

from typing import Optional, Sequence

from mmengine.config import Config

from .agreement import check_agreement
from .compiled import check_compile
from .epoch_counts import check_saving, check_stops
from .failures import add_key, explain
from .names import check_names, check_paramwise, check_section_entries
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
    """Raise if a name, type, argument or value can't be right.

    Nothing is built, and anything that MMEngine would build and read is
    accepted. What is uncertain is left to :func:`explain`, when it is built.

    Args:
        cfg (Config): The config, with all options merged.
        needed (Sequence[str]): Sections that the tool requires.
        used (Sequence[str], optional): Sections that the tool uses. Defaults
            to all, as a Runner does.
        scope (str): The scope of types if the config has no default_scope.

    Raises:
        SettingError: If one is wrong, naming the key, what is expected and
            the nearest names.
    """
    settings = {
        name: value
        for name, value in cfg.items()
        if used is None or name in (*used, 'default_scope')
    }
    check_names(settings, cfg.text)
    check_values(settings, needed)
    check_section_entries(settings)
    check_paramwise(settings)
    check_parts(settings, scope)
    check_agreement(settings)
    check_compile(settings)
    if 'train_cfg' in needed:  # of no interest to a test
        check_stops(settings)
        check_saving(settings)
