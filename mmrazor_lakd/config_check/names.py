"""Find misspelt names at a config's top level, which nothing would read."""

import re
from difflib import get_close_matches
from typing import Dict, Iterable

from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader

from ..errors import SettingError, nearest
from .kinds import LOADERS
from .signatures import parameters_of

#: names that MMEngine's Runner and OpenMMLab's tools read from a config
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
#: entries that MMEngine accepts in sections without a type
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
#: entries that it reads in sections in which it ignores any others
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
#: required entries
NEEDED = {'randomness': 'seed', **dict.fromkeys(LOADERS, 'dataset')}
#: similarity of a misspelt name, as computed by difflib
CLOSE = 0.85


def check_names(cfg: Dict, text: str) -> None:
    """Raise if a name that nothing reads resembles one that is read.

    The config's own variables, such as ``test_pipeline``, are recognised by
    their use in its text.

    Args:
        cfg (dict): A config.
        text (str): Its text, with that of its bases.

    Raises:
        SettingError: If one does, naming the nearest.
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
    """Raise if nothing reads an entry of a data loader or other section.

    Raises:
        SettingError: If there is one, naming the nearest names.
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
    """Check whether the text of a config or a base uses a variable."""
    return bool(re.search(rf'\b{re.escape(name)}\b(?!\s*=[^=])', text))


def check_option_names(options: Iterable[str], cfg: Dict) -> None:
    """Raise if an option would add a name that nothing reads.

    Args:
        options (Iterable[str]): Keys of ``--cfg-options``, such as
            ``model.backbone.depth``.
        cfg (dict): The config before they are merged into it.

    Raises:
        SettingError: If one would, naming the nearest names.
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
