"""Explain in one sentence what failed when it was built or first run."""

import re
from typing import Any, Dict, Iterator, NamedTuple, Optional, Tuple

from mmengine.registry import Registry
from torch import nn

from ..errors import SettingError, nearest
from .frames import (
    Frames,
    explain_width,
    find_module,
    list_frames,
    name_assertion,
    name_file,
    name_place,
)
from .kinds import KINDS, Kind, Part, registries_in
from .reduction import reduce, sentence_of
from .registered import known_types, missing_key, unknown_key, unknown_type
from .signatures import parameters_of

HINT = '; add --debug for the traceback.'
#: sections that the methods of MMEngine's Runner, and their callees, use
METHOD_SECTIONS = dict(
    _check_scheduler_cfg='param_scheduler',
    _init_model_weights='model',
    _maybe_compile='compile',
    build_evaluator='val_evaluator',
    build_log_processor='log_processor',
    build_logger='log_level',
    build_optim_wrapper='optim_wrapper',
    build_param_scheduler='param_scheduler',
    build_test_loop='test_cfg',
    build_train_loop='train_cfg',
    build_val_loop='val_cfg',
    build_visualizer='visualizer',
    load_or_resume='load_from',
    register_custom_hooks='custom_hooks',
    register_default_hooks='default_hooks',
    scale_lr='auto_scale_lr',
    set_randomness='randomness',
    setup_env='env_cfg',
    turn_on_activation_checkpointing='activation_checkpointing',
    turn_on_efficient_conv_bn_eval='efficient_conv_bn_eval',
    wrap_model='model_wrapper_cfg',
)
#: message of MMEngine's registries about an unknown type
UNREGISTERED = re.compile(r'(\S+) is not in the \w+::[\w ]+ registry')
BUILDERS = (
    'build_from_cfg',
    'build_scheduler_from_cfg',
    'build_razor_model_from_cfg',
)


class Culprit(NamedTuple):
    """The part of a config that was being built or run when an error occurred.

    Attributes:
        path (str): Its path in the config.
        cfg (dict, optional): The part itself, if it has a type.
        cls (type, optional): The class to build, if it was found.
        registry (Registry, optional): The registry of that class.
    """

    path: str
    cfg: Optional[Dict] = None
    cls: Any = None
    registry: Optional[Registry] = None


def explain(error: Exception, cfg: Optional[Dict] = None) -> str:
    """Explain in one sentence what failed, and in which setting.

    Args:
        error (Exception): The error as raised.
        cfg (dict, optional): The config that was being built.

    Returns:
        str: A sentence with the config's key if it can be found, or else the
        place in the code.
    """
    frames = list_frames(error)
    culprit = None if cfg is None else _find_culprit(frames, cfg)
    if culprit is not None and culprit.cfg is not None:
        known = _explain_build(error, culprit)
        if known:
            return known
    reason = reduce(error)
    if isinstance(error, OSError) and not error.filename:
        reason += name_file(frames)
    if not str(error) and isinstance(error, AssertionError):
        reason = f"it fails at '{name_assertion(frames)}'"
    module = find_module(frames)
    if module and culprit is None and cfg is not None:
        culprit = _find_parent(cfg, module[0])
    if module:
        reason = (
            f"the module '{module[0]}', a {_name(module[1])}, fails: {reason}"
        )
        reason += explain_width(error, module[1])
    unknown = UNREGISTERED.match(reason)
    if unknown and culprit is not None and culprit.registry is not None:
        registry = culprit.registry
        names = known_types(registry.root, registry.scope, prefixed=False)
        reason += f'; the nearest names are: {nearest(unknown[1], names)}'
    if 'out of memory' in reason:
        reason += ' (a smaller batch_size takes less)'
    if 'modified by an inplace operation' in reason:
        reason += (
            ' (the student overwrites a map that a loss needs, as by '
            'F.relu(x, inplace=True) or x += ... behind a boundary; mend '
            'that, or cut there, with isolate=True and early_backward=True)'
        )
    if culprit is not None:
        value = cfg.get(culprit.path)
        value = f'={value!r}' if isinstance(value, str) else ''
        return f'{culprit.path}{value}{_of_type(culprit)}: {reason}{HINT}'
    if module:
        return f'In the first iteration, {reason}{HINT}'
    if isinstance(error, OSError) and error.filename:
        return f'{reason}{HINT}'
    return f'{type(error).__name__}: {reason} ({name_place(frames)}){HINT}'


def add_key(error: SettingError, cfg: Dict) -> str:
    """Add the config's key to a sentence that names only an argument.

    Args:
        error (SettingError): The error as raised.
        cfg (dict): The config that was being built.

    Returns:
        str: The sentence, after the key of the innermost part that was being
        built, unless that is a whole section or the sentence contains it.
    """
    culprit = _find_culprit(list_frames(error), cfg)
    text = sentence_of(error)
    if culprit is None or culprit.cfg is None:
        return text
    if '.' not in culprit.path or culprit.path in text:
        return text
    return f'{culprit.path}: {text}'


def _find_culprit(frames: Frames, cfg: Dict) -> Optional[Culprit]:
    """Find the innermost setting that was being built or run."""
    names = [frame.f_code.co_name for frame, _ in frames]
    first = next(
        (
            part
            for part in ('train', 'val', 'test')
            if f'build_{part}_loop' in names
        ),
        'train',
    )
    registry = None
    for frame, _ in frames:
        name, values = frame.f_code.co_name, frame.f_locals
        if name in BUILDERS and isinstance(values.get('cfg'), dict):
            registry = registry or values.get('registry')
            path = find_path(cfg, values['cfg'], registry, first)
            if path:
                return Culprit(
                    path,
                    values['cfg'],
                    values.get('obj_cls', values.get('scheduler_cls')),
                    values.get('registry'),
                )
        elif name == 'build_dataloader':
            return Culprit(f'{first}_dataloader')
        elif name == 'call_hook' and 'hook' in values:
            path = _find_hook(cfg, type(values['hook']))
            if path:
                return Culprit(path, cls=type(values['hook']))
        elif (
            name in METHOD_SECTIONS and 'mmengine' in frame.f_code.co_filename
        ):
            if METHOD_SECTIONS[name] in cfg:
                return Culprit(METHOD_SECTIONS[name], registry=registry)
    return None


def _find_parent(cfg: Dict, module: str) -> Optional[Culprit]:
    """Find the setting that a module of the model belongs to."""
    found, path = cfg.get('model'), 'model'
    if module.startswith('data_preprocessor') and 'data_preprocessor' in cfg:
        return Culprit('data_preprocessor', cfg['data_preprocessor'])
    for name in module.split('.'):
        if not isinstance(found, dict) or name not in found:
            break
        found, path = found[name], f'{path}.{name}'
    return Culprit(path, found) if isinstance(found, dict) else None


def find_path(
    cfg: Dict, built: Dict, registry: Registry, first: str = 'train'
) -> Optional[str]:
    """Find the path, in a config, of a dict that something was built from.

    Args:
        cfg (dict): The config.
        built (dict): The dict, to which builders may have added entries.
        registry (Registry): The registry of its type.
        first (str): Of ``train``, ``val`` and ``test``, the one whose
            sections are searched first.

    Returns:
        str: The path of the largest dict of that type whose entries are all
        in ``built``; without one, of the first of that type.
    """
    names = sorted(
        (name for name in cfg if registry.root in registries_in(name)),
        key=lambda name: not name.startswith(first),
    )
    alike = [
        (path, found)
        for name in names
        for path, found in _dicts(cfg[name], name)
        if found.get('type') == built.get('type')
    ]
    inside = [
        (path, found)
        for path, found in alike
        if all(_same(built.get(key), value) for key, value in found.items())
    ]
    if inside:
        return max(inside, key=lambda item: len(item[1]))[0]
    return alike[0][0] if alike and built.get('type') else None


def _same(a: Any, b: Any) -> bool:
    try:
        return bool(a == b)
    except Exception:  # of tensors and arrays
        return a is b


def _dicts(value: Any, path: str) -> Iterator[Tuple[str, Dict]]:
    """Yield all dicts in a value, with their paths."""
    if isinstance(value, dict):
        yield path, value
        for name, item in value.items():
            yield from _dicts(item, f'{path}.{name}')
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            yield from _dicts(item, f'{path}[{number}]')


def _find_hook(cfg: Dict, cls: type) -> Optional[str]:
    """Find the path of a hook in a config."""
    for name in ('custom_hooks', 'default_hooks'):
        for path, found in _dicts(cfg.get(name), name):
            kind = found.get('type')
            kind = kind.rpartition('.')[2] if isinstance(kind, str) else kind
            if kind in (cls, cls.__name__):
                return path
    return None


def _of_type(culprit: Culprit) -> str:
    kind = culprit.cls or (culprit.cfg or {}).get('type')
    return f' ({_name(kind)})' if kind else ''


def _name(kind: Any) -> str:
    kind = type(kind) if isinstance(kind, nn.Module) else kind
    if isinstance(kind, str):
        return kind
    return getattr(kind, '__name__', repr(kind))  # the config may have a 5


def _explain_build(error: Exception, culprit: Culprit) -> Optional[str]:
    """Explain an error of Python or MMEngine about types or arguments."""
    text = str(error)
    if 'must contain the key "type"' in text:
        return (
            f"{culprit.path} has no 'type', which says what to build; add it."
        )
    if UNREGISTERED.match(reduce(error)) or text.startswith('Failed to get'):
        if culprit.registry is not None and isinstance(
            culprit.cfg['type'], str
        ):
            kind = next(
                (
                    kind
                    for kind in KINDS.values()
                    if kind.registry is culprit.registry.root
                ),
                Kind(culprit.registry.root),
            )
            return unknown_type(
                Part(culprit.path, culprit.cfg, kind, culprit.registry.scope)
            )
    if not callable(culprit.cls):
        return None
    unexpected = re.search(r"unexpected keyword argument '(\w+)'", text)
    if unexpected and unexpected[1] in culprit.cfg:
        return unknown_key(
            culprit.path,
            unexpected[1],
            culprit.cls,
            parameters_of(culprit.cls),
        )
    missing = re.search(r"missing \d+ required .*?: '(\w+)'", text)
    if missing and missing[1] in parameters_of(culprit.cls):
        return missing_key(culprit.path, missing[1], culprit.cls)
    return None
