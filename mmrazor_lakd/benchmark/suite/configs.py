"""Reading of the configs of a suite's trainings."""

import hashlib
import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Dict, Iterator, List, Optional, Set, Tuple

from mmengine.config import Config, DictAction

from ...config_writer import choose, find_choice, write_config
from ...distillers.named_stages import expand_model
from ...errors import SettingError
from ..cost.measure import load_training

#: the parts of a config that the methods of a pair share
SHARED = (
    'data_preprocessor',
    'train_dataloader',
    'val_dataloader',
    'train_cfg',
    'optim_wrapper',
    'param_scheduler',
)
#: the parts of a config that decide a training's result
DECISIVE = ('model', *SHARED, 'randomness')
#: names of settings that say where things are and how they are loaded
INCIDENTAL = (
    'teacher_ckpt',
    'data_root',
    'pin_memory',
    'num_workers',
    'persistent_workers',
)
#: settings of MMEngine's parameter schedulers that count epochs
COUNTED = (
    'milestones',
    'begin',
    'end',
    'T_max',
    'step_size',
    'total_steps',
    'periods',
    'patience',
    'cooldown',
)
#: how the types of those begin that warm a learning rate up
WARM_UPS = ('Linear', 'Constant')
#: settings of LAKDDistiller with a length
CURRICULUM = ('progressive', 'feed', 'local_phase')


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


def fit_budget(cfg: Config, epochs: int) -> Dict[str, Any]:
    """Fit a config's training to another number of epochs.

    Schedulers that count epochs are scaled; see :func:`scale_scheduler`. The
    warm-up of a loss, and the lengths of LAKD's curriculum, keep their
    fraction of the training.
    """
    options: Dict[str, Any] = {'train_cfg.max_epochs': epochs}
    planned = cfg.train_cfg.max_epochs
    if epochs == planned:
        return options
    schedulers = cfg.get('param_scheduler') or []
    if isinstance(schedulers, dict):
        named = [('param_scheduler', schedulers)]
    else:
        named = [
            (f'param_scheduler.{number}', scheduler)
            for number, scheduler in enumerate(schedulers)
        ]
    begins = {scheduler.get('begin', 0) for _, scheduler in named}
    for name, scheduler in named:
        scaled = scale_scheduler(scheduler, planned, epochs, begins)
        options.update({f'{name}.{key}': scaled[key] for key in scaled})
    for name, length in find_lengths(cfg.model.get('distiller') or {}):
        options[f'model.distiller.{name}.epochs'] = None
        options[f'model.distiller.{name}.fraction'] = (
            length['epochs'] / planned
        )
    return options


def scale_scheduler(
    scheduler: Dict[str, Any], planned: int, epochs: int, begins: Set[int]
) -> Dict[str, Any]:
    """Scale what a parameter scheduler counts in epochs.

    A warm-up that multiplies another schedule, and fits, keeps its epochs: it
    depends on the optimizer more than on the budget.

    Args:
        scheduler (dict): The scheduler.
        planned (int): Number of epochs that it is for.
        epochs (int): Number of epochs of the training.
        begins (set[int]): Where the training's schedulers begin.

    Returns:
        dict: The settings that change.

    Examples:
        >>> cosine = dict(type='CosineAnnealingLR', T_max=95, begin=5, end=100)
        >>> scale_scheduler(cosine, 100, 20, {0, 5})
        {'begin': 1, 'end': 20, 'T_max': 19}
    """
    if not scheduler.get('by_epoch', True):
        return {}

    def scale(epoch: float) -> int:
        return max(round(epoch * epochs / planned), min(epoch, 1))

    kind = str(scheduler.get('type')).rpartition('.')[2]
    end = scheduler.get('end') or planned
    keeps_end = (
        kind.startswith(WARM_UPS)
        and not scheduler.get('begin')
        and end < planned
        and end <= epochs
        and end not in begins
    )
    found: Dict[str, Any] = {}
    for name in COUNTED:
        value = scheduler.get(name)
        if name == 'end' and keeps_end:
            continue
        if name == 'milestones' and value:
            found[name] = [round(epoch * epochs / planned) for epoch in value]
        elif isinstance(value, (list, tuple)):
            found[name] = [scale(epoch) for epoch in value]
        elif value:
            found[name] = scale(value)
    return found


def find_lengths(
    distiller: Dict[str, Any],
) -> Iterator[Tuple[str, Dict[str, Any]]]:
    """Find the warm-ups and phases of a distiller that count epochs.

    Yields:
        tuple[str, dict]: The name of a setting, and the setting.
    """
    losses = {
        f'distill_losses.{name}': loss
        for name, loss in (distiller.get('distill_losses') or {}).items()
    }
    for name, part in {**distiller, **losses}.items():
        if not isinstance(part, dict) or not part.get('epochs'):
            continue
        if part.get('type') == 'WarmupLoss' or name in CURRICULUM:
            yield name, part


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
    text = json.dumps(kept, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


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
