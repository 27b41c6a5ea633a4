"""Find misspelt names at a config's top level, which nothing would read."""

import re
from difflib import get_close_matches
from typing import Dict, Iterable

from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader

from ..errors import SettingError, nearest
from .kinds import LOADERS
from .signatures import DEFAULT_CONSTRUCTOR, parameters_of

#: names that variables resemble, such as ``test_pipeline``
TTA = ('tta_model', 'tta_pipeline')
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
    *TTA,
} - {'cfg'}
#: entries that MMEngine accepts in sections without a type
ENTRIES = {
    'env_cfg': {'cudnn_benchmark', 'dist_cfg', 'mp_cfg', 'resource_limit'},
    'env_cfg.mp_cfg': {'mp_start_method', 'opencv_num_threads'},
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
}
#: what the constructor of optimizers that is the default reads
PARAMWISE = {
    'bias_decay_mult',
    'bias_lr_mult',
    'bypass_duplicate',
    'custom_keys',
    'dcn_offset_lr_mult',
    'dwconv_decay_mult',
    'flat_decay_mult',
    'norm_decay_mult',
}
#: sections of OpenMMLab's configs before MMEngine, and what they became
FORMER = {
    'checkpoint_config': 'default_hooks.checkpoint',
    'cudnn_benchmark': 'env_cfg.cudnn_benchmark',
    'deterministic': 'randomness.deterministic',
    'dist_params': 'env_cfg.dist_cfg',
    'evaluation': 'val_evaluator and train_cfg.val_interval',
    'fp16': "optim_wrapper.type='AmpOptimWrapper'",
    'log_config': 'default_hooks.logger and visualizer',
    'lr_config': 'param_scheduler',
    'momentum_config': 'param_scheduler',
    'optimizer': 'optim_wrapper.optimizer',
    'optimizer_config': 'optim_wrapper',
    'runner': 'train_cfg',
    'seed': 'randomness.seed',
    'workflow': 'train_cfg.val_interval',
}
#: required entries
NEEDED = {'randomness': 'seed', **dict.fromkeys(LOADERS, 'dataset')}
#: similarity of a misspelt name, as computed by difflib
CLOSE = 0.85


def check_names(cfg: Dict, text: str) -> None:
    """Raise if a name that nothing reads resembles one that is, or was, read.

    The config's own variables, such as ``test_pipeline``, are recognised by
    their use in its text, or, as in a dumped config, by their value, which
    stands somewhere else, too.

    Args:
        cfg (dict): A config.
        text (str): Its text, with that of its bases.

    Raises:
        SettingError: If one does, naming the nearest.
    """
    for name in cfg:
        if name in KNOWN or _is_used(name, text) or _is_variable(name, cfg):
            continue
        if name in FORMER:
            raise SettingError(
                f"The config has '{name}', which nothing reads since "
                f'MMEngine; write {FORMER[name]}.'
            )
        close = get_close_matches(name, KNOWN - {*TTA}, 1, CLOSE)
        # `mine_train_dataloader` is no misspelling, but a variable.
        if close and not re.search(rf'^{close[0]}_|_{close[0]}$', name):
            raise SettingError(
                f"The config has '{name}', which nothing reads; the nearest "
                f"name is '{close[0]}'."
            )


def _is_variable(name: str, cfg: Dict) -> bool:
    """Check whether a value is an object, or a copy of what is elsewhere.

    That is, inside a section: one of a whole section is more likely one whose
    name is misspelt (``test_evaluater = val_evaluator``).
    """
    value = cfg[name]
    if not isinstance(value, (dict, list, tuple, str, int, float)):
        return value is not None  # a class, function or module it imports
    nested = isinstance(value, (dict, list, tuple))
    sections = [other for key, other in cfg.items() if key != name]
    stack = list(sections)
    while stack:
        part = stack.pop()
        is_section = any(part is section for section in sections)
        if nested and value and not is_section:
            if type(part) is type(value) and part == value:
                return True
        if isinstance(part, dict):
            # Numbers and texts are alike by chance, but not by name.
            if not nested and name in part and part[name] == value:
                return True
            stack += part.values()
        elif isinstance(part, (list, tuple)):
            stack += part
    return False


def check_paramwise(cfg: Dict) -> None:
    """Raise if nothing reads an entry of ``optim_wrapper.paramwise_cfg``.

    Other constructors than the default one read others.

    Raises:
        SettingError: If there is one, naming the nearest names.
    """
    wrapper = cfg.get('optim_wrapper')
    if not isinstance(wrapper, dict):
        return
    constructor = wrapper.get('constructor', DEFAULT_CONSTRUCTOR)
    settings = wrapper.get('paramwise_cfg')
    if constructor != DEFAULT_CONSTRUCTOR or not isinstance(settings, dict):
        return
    path = 'optim_wrapper.paramwise_cfg'
    for name in settings:
        if name == 'layer_decay_rate':
            raise SettingError(
                f'{path}.{name} is read by another constructor alone; write '
                f'optim_wrapper.constructor='
                f"'LearningRateDecayOptimWrapperConstructor' as well."
            )
        # mmpretrain's Twins have `_delete`.
        if name not in PARAMWISE and not name.startswith('_'):
            raise SettingError(
                f'{path}.{name} is nothing that MMEngine reads; the nearest '
                f'ones are: {nearest(name, sorted(PARAMWISE))}.'
            )
    # Any other entry goes to the optimizer, as an option of the group.
    known = ('lr_mult', 'decay_mult')
    for key, entry in (settings.get('custom_keys') or {}).items():
        for name in entry if isinstance(entry, dict) else ():
            close = get_close_matches(name, known, 1, CLOSE)
            if name not in known and close:
                raise SettingError(
                    f"{path}.custom_keys['{key}'].{name} is nothing that "
                    f"MMEngine reads; the nearest name is '{close[0]}'."
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
