"""Misspelt names at a config's top level, which nobody would read."""

import re
from difflib import get_close_matches
from typing import Dict, Iterable

from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader

from ..errors import SettingError, nearest
from .kinds import LOADERS
from .signatures import parameters_of

#: what MMEngine's Runner and the tools of OpenMMLab read of a config
KNOWN = {
    *parameters_of(Runner),
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
} - {'cfg'}
#: what MMEngine takes of the sections that have no type
ENTRIES = {
    'randomness': parameters_of(Runner.set_randomness) - {'self'},
    'optim_wrapper.clip_grad': {'type'}
    | parameters_of(nn.utils.clip_grad_norm_)
    | parameters_of(nn.utils.clip_grad_value_),
    **dict.fromkeys(
        LOADERS,
        parameters_of(DataLoader)
        | {'disable_subprocess_warning', 'num_batch_per_epoch'},
    ),
}
#: what it reads of those in which it passes over anything else
READ = {
    'auto_scale_lr': {'base_batch_size', 'enable'},
    'env_cfg': {'cudnn_benchmark', 'dist_cfg', 'mp_cfg', 'resource_limit'},
    'optim_wrapper.paramwise_cfg': {
        'bias_decay_mult',
        'bias_lr_mult',
        'bypass_duplicate',
        'custom_keys',
        'dcn_offset_lr_mult',
        'dwconv_decay_mult',
        'flat_decay_mult',
        'layer_decay_rate',
        'norm_decay_mult',
    },
}
#: what they can't do without
NEEDED = {'randomness': 'seed', **dict.fromkeys(LOADERS, 'dataset')}
#: how alike a misspelt name is, as difflib counts
CLOSE = 0.85


def check_names(cfg: Dict, text: str) -> None:
    """Refuse a name that is nearly one that is read, and is none itself.

    A variable of the config's own text, such as ``test_pipeline``, is one
    that the text uses.

    Args:
        cfg (dict): A config.
        text (str): Its text, with that of its bases.

    Raises:
        SettingError: With the nearest name.
    """
    for name in cfg:
        if name in KNOWN or _is_used(name, text):
            continue
        close = get_close_matches(name, KNOWN, 1, CLOSE)
        if close:
            raise SettingError(
                f"The config has '{name}', which nothing reads; the nearest "
                f"name is '{close[0]}'."
            )


def check_section_entries(cfg: Dict) -> None:
    """Refuse entries of data loaders and other sections that nobody reads.

    Raises:
        SettingError: With the nearest names.
    """
    for path, known in {**ENTRIES, **READ}.items():
        section = cfg
        for name in path.split('.'):
            section = section.get(name) if hasattr(section, 'get') else None
        if not isinstance(section, dict):
            continue
        for name in set(section) - known:
            if path in ENTRIES or get_close_matches(name, known, 1, CLOSE):
                raise SettingError(
                    f'{path}.{name} is nothing that MMEngine reads; the '
                    f'nearest ones are: {nearest(name, sorted(known))}.'
                )
        if path in NEEDED and NEEDED[path] not in section:
            raise SettingError(f"{path} lacks '{NEEDED[path]}'; add it.")


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
            names = get_close_matches(name, known, 3, 0.7)
            names = names or nearest(name, sorted(known)).split(', ')
            raise SettingError(
                f"--cfg-options {option}: the config has no '{name}' and "
                f'nothing reads it; the nearest ones are: '
                f'{", ".join(f"{name}{dot}{rest}" for name in names)}.'
            )
