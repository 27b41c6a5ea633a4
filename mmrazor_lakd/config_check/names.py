"""Misspelt names at a config's top level, which nobody would read."""

import inspect
import re
from difflib import get_close_matches
from typing import Dict, Iterable

from mmengine.config import Config
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from ..errors import SettingError, nearest
from .kinds import LOADERS

#: what MMEngine's Runner and the tools of OpenMMLab read of a config
KNOWN = {
    *inspect.signature(Runner.__init__).parameters,
    'activation_checkpointing',
    'compile',
    'custom_imports',
    'efficient_conv_bn_eval',
    'find_unused_parameters',
    'model_wrapper_cfg',
    'runner_type',
    'sync_bn',
    'tta_model',
    'tta_pipeline',
} - {'self', 'cfg'}
#: what they read of sections that have no type
ENTRIES = dict(
    randomness=set(inspect.signature(Runner.set_randomness).parameters),
    auto_scale_lr={'base_batch_size', 'enable'},
    env_cfg={'cudnn_benchmark', 'dist_cfg', 'mp_cfg', 'resource_limit'},
    **dict.fromkeys(
        LOADERS,
        {
            *inspect.signature(DataLoader.__init__).parameters,
            'disable_subprocess_warning',
            'num_batch_per_epoch',
        },
    ),
)
#: how alike a misspelt name is, as difflib counts
CLOSE = 0.85


def check_names(cfg: Config) -> None:
    """Refuse a name that is nearly one that is read, and is none itself.

    A variable of the config's own text, such as ``test_pipeline``, is one
    that the text uses.

    Raises:
        SettingError: With the nearest name.
    """
    for name in cfg:
        if name in KNOWN or _is_used(name, cfg.text):
            continue
        close = get_close_matches(name, KNOWN - set(cfg), 1, CLOSE)
        if close:
            raise SettingError(
                f"The config has '{name}', which nothing reads; the nearest "
                f"name is '{close[0]}'."
            )


def check_entries(cfg: Dict) -> None:
    """Refuse entries of data loaders and other sections that nobody reads.

    Raises:
        SettingError: With the nearest names.
    """
    for section, known in ENTRIES.items():
        known = known - {'self'}
        for name in set(cfg.get(section) or ()) - known:
            # Of these two MMEngine passes over what it doesn't know.
            optional = section in ('env_cfg', 'auto_scale_lr')
            if optional and not get_close_matches(name, known, 1, CLOSE):
                continue
            raise SettingError(
                f'{section}.{name} is nothing that MMEngine reads; the '
                f'nearest ones are: {nearest(name, sorted(known))}.'
            )


def _is_used(name: str, text: str) -> bool:
    """Whether a config's text, or that of a base, takes a name's value."""
    return bool(re.search(rf'\b{re.escape(name)}\b(?!\s*=[^=])', text))


def check_option_names(options: Iterable[str], cfg: Dict) -> None:
    """Refuse options that would add what nothing reads.

    Args:
        options (Iterable[str]): Keys of ``--cfg-options``, such as
            ``model.backbone.depth``.
        cfg (dict): The config before they are merged into it.

    Raises:
        SettingError: With the nearest names.
    """
    known = KNOWN | set(cfg)
    for option in options:
        name, dot, rest = option.partition('.')
        if name not in known:
            names = nearest(name, sorted(known)).split(', ')
            raise SettingError(
                f"--cfg-options {option}: the config has no '{name}' and "
                f'nothing reads it; the nearest ones are: '
                f'{", ".join(f"{name}{dot}{rest}" for name in names)}.'
            )
