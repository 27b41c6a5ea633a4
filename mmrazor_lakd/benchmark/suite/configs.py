"""Reading of the configs of a suite's trainings."""

import hashlib
import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Dict, List, Optional, Sequence, Tuple

from mmengine.config import Config, DictAction

from ...config_check.kinds import type_name
from ...config_writer import choose, find_choice, write_config
from ...distillers.named_stages import expand_model
from ...errors import SettingError
from ..cost.measure import load_training

#: the parts of a config besides the model that decide a training's result
PARTS = (
    'data_preprocessor',
    'train_dataloader',
    'val_dataloader',
    'train_cfg',
    'optim_wrapper',
    'param_scheduler',
)
#: what the methods of a pair share; the backbone is the student's
SHARED = (*PARTS, 'backbone', 'load_from', 'custom_hooks')
#: what decides a training's result, besides its hooks
DECISIVE = ('model', *PARTS, 'randomness')
#: hooks that don't change a result, and those of our configs, of which the
#: digests of earlier results have none
KNOWN_HOOKS = (
    'ChannelsLastHook',
    'CheckpointHook',
    'ClassCountHook',
    'ClassNumCheckHook',
    'DistSamplerSeedHook',
    'DivergenceHook',
    'EmptyCacheHook',
    'EpochSeedHook',
    'IterTimerHook',
    'LocalModuleHook',
    'LoggerHook',
    'MissedValidationHook',
    'NPUProfilerHook',
    'NaiveVisualizationHook',
    'ParamSchedulerHook',
    'ProfilerHook',
    'RuntimeInfoHook',
    'SafeCheckpointHook',
    'SafeLoadingHook',
    'SampleLabelsHook',
    'SavedStatisticsHook',
    'StopSignalHook',
    'TeacherAccuracyHook',
    'VisualizationHook',
)
#: hooks that are part of a distillation
DISTILLATION_HOOKS = ('StopDistillHook',)
#: names of settings that say where things are and how they are loaded
INCIDENTAL = (
    'teacher_ckpt',
    'data_root',
    'pin_memory',
    'num_workers',
    'persistent_workers',
)


def load_config_of(root: Path, config: str, options: Dict[str, Any]) -> Config:
    """Read a config with options.

    If the file doesn't exist, the config is read as :func:`place_config` would
    write it.
    """
    with TemporaryDirectory() as folder:
        path = place_config(root, config, Path(folder))
        return load_training(str(root / path), options)


def place_config(root: Path, config: str, folder: Path) -> str:
    """Find a suite's config, or write it as tools/make_config.py would.

    Args:
        root (Path): The folder to which the config's path is relative.
        config (str): Path of the config.
        folder (Path): Where to write one that doesn't exist.

    Returns:
        str: Path of the config, relative to ``root`` if it is inside.
    """
    found = missing_config(root, config)
    if found is None:
        return config
    path = folder.absolute() / Path(config).name
    write_config(choose(root / 'configs', *found), path, overwrite=True)
    return str(path.relative_to(root) if path.is_relative_to(root) else path)


def missing_config(root: Path, config: str) -> Optional[Tuple[str, str]]:
    """Return method and pair of a missing config; None if it exists.

    Also None if it isn't named after a method and a pair.
    """
    if (root / config).is_file():
        return None
    return find_choice(root / 'configs', root / os.path.normpath(config))


def digest(cfg: Config) -> str:
    """Hash the settings that decide a training's result.

    Stages are expanded first: kept results belong to a config by its digest,
    which depends on what is trained, not on how it is written.
    """
    kept = {name: decisive_part(cfg, name) for name in DECISIVE}
    kept['model'] = expand_model(kept['model'])
    # Only if used, so that digests of earlier results stay valid.
    if cfg.get('load_from'):
        kept['load_from'] = cfg.load_from
    if cfg.get('auto_scale_lr', {}).get('enable'):
        kept['auto_scale_lr'] = cfg.auto_scale_lr.to_dict()
    hooks = decisive_hooks(cfg)
    if hooks:
        kept['hooks'] = list(hooks.values())
    text = json.dumps(kept, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def decisive_hooks(
    cfg: Config, ignored: Sequence[str] = ()
) -> Dict[str, Dict[str, Any]]:
    """Find the default and custom hooks that may change a result.

    Args:
        cfg (Config): The config.
        ignored (Sequence[str]): Types that are left out, besides
            :data:`KNOWN_HOOKS`.

    Returns:
        dict[str, dict]: They, by their paths.

    Raises:
        SettingError: If one has no type.
    """
    left_out = (*KNOWN_HOOKS, *ignored)
    return {
        path: hook
        for path, hook in find_hooks(cfg).items()
        if type_name(hook['type']) not in left_out
    }


def find_hooks(cfg: Config) -> Dict[str, Dict[str, Any]]:
    """Return the default and custom hooks of a config, by their paths.

    Raises:
        SettingError: If one has no type.
    """
    default = decisive_part(cfg, 'default_hooks') or {}
    custom = decisive_part(cfg, 'custom_hooks') or []
    hooks = {f'default_hooks.{name}': h for name, h in default.items()}
    hooks.update((f'custom_hooks[{i}]', h) for i, h in enumerate(custom))
    for path, hook in hooks.items():
        if hook and not (isinstance(hook, dict) and hook.get('type')):
            raise SettingError(
                f'{path}={hook!r} names no hook, and no digest could tell '
                f"it; write dict(type='...') with the type of one."
            )
    return {path: hook for path, hook in hooks.items() if hook}


def describe_wrapper(cfg: Config) -> Tuple[str, Optional[str]]:
    """Return type and ``dtype`` of a config's optimizer wrapper.

    Returns:
        tuple[str, str | None]: The type as a config names it, or the name of
        the class that it gives; see
        :func:`~mmrazor_lakd.benchmark.suite.comparability.precision`.
    """
    kind = cfg.optim_wrapper.get('type', 'OptimWrapper')
    dtype = cfg.optim_wrapper.get('dtype')
    name = kind if isinstance(kind, str) else type_name(kind)
    return name, dtype and str(dtype)


def decisive_part(cfg: Config, name: str) -> Any:
    """Return a part of a config without its :data:`INCIDENTAL` settings."""

    def decisive(value):
        if isinstance(value, dict):
            return {
                k: decisive(v) for k, v in value.items() if k not in INCIDENTAL
            }
        if isinstance(value, (list, tuple)):
            return [decisive(item) for item in value]
        return value

    return decisive(cfg.to_dict().get(name))


def flatten_options(options: Dict[str, Any]) -> Dict[str, Any]:
    """Write nested settings with dotted names, as in --cfg-options.

    Examples:
        >>> flatten_options({'a': {'b': {'c': 1}, 'd': {}}, 'e.f': 2})
        {'a.b.c': 1, 'a.d': {}, 'e.f': 2}
    """
    flat = {}
    for name, value in options.items():
        if isinstance(value, dict) and value:
            nested = flatten_options(value)
            flat.update({f'{name}.{key}': nested[key] for key in nested})
        else:
            flat[name] = value
    return flat


def merge_options(
    options: Dict[str, Any], own: Dict[str, Any]
) -> Dict[str, Any]:
    """Override options, setting by setting.

    Args:
        options (dict): With dotted names.
        own (dict): Likewise. With ``_delete_`` a section is replaced.

    Examples:
        >>> merge_options({'a.b': 1, 'a.c': 2}, {'a.b': 3})
        {'a.b': 3, 'a.c': 2}
        >>> merge_options({'a.b': 1, 'c': 2}, {'a._delete_': True, 'a.d': 3})
        {'c': 2, 'a._delete_': True, 'a.d': 3}
    """
    replaced = tuple(
        name[: -len('_delete_')] for name in own if name.endswith('._delete_')
    )
    kept = {k: v for k, v in options.items() if not k.startswith(replaced)}
    return {**kept, **own}


def _is_read_as(text: str, value: Any) -> bool:
    """Check whether MMEngine parses an option's text as this value."""

    def plain(value):
        if isinstance(value, (list, tuple)):
            return [plain(item) for item in value]
        return str(value) if isinstance(value, Path) else value

    try:
        return plain(DictAction._parse_iterable(text)) == plain(value)
    except AssertionError:  # unbalanced brackets
        return False


def format_options(options: Dict[str, Any]) -> List[str]:
    """Write settings as arguments of --cfg-options.

    Raises:
        SettingError: If a value can't be written this way.

    Examples:
        >>> format_options({'a.b': [1, 2], 'c': None, 'd': 'x'})
        ['a.b=[1,2]', 'c=None', 'd=x']
    """

    def write(value) -> str:
        if isinstance(value, (list, tuple)):
            return '[' + ','.join(map(write, value)) + ']'
        return str(value)

    written = []
    for name, value in options.items():
        text = write(value)
        if not _is_read_as(text, value):
            raise SettingError(
                f'{name}={value!r} is not understood on a command line, whose '
                f'--cfg-options has no spaces, commas or dicts in a value; '
                f'write it into a config, or choose another path.'
            )
        written.append(f'{name}={text}')
    return written
