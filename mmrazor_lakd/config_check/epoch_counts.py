"""Find hooks that count epochs which a training doesn't have."""

from typing import Any, Dict, Iterator, Tuple

from ..errors import SettingError, check_number, is_number
from .kinds import find_parts, type_name


def find_stops(cfg: Dict) -> Iterator[Tuple[str, Any]]:
    """Find the epochs after which MMRazor's ``StopDistillHook`` stops.

    Args:
        cfg (dict): A config.

    Yields:
        tuple[str, Any]: A path, such as ``custom_hooks[0].stop_epoch``, and
        its value.
    """
    for section in ('default_hooks', 'custom_hooks'):
        for part in find_parts(section, cfg.get(section), 'hook', 'mmrazor'):
            if type_name(part.type) == 'StopDistillHook':
                if 'stop_epoch' in part.cfg:
                    yield f'{part.path}.stop_epoch', part.cfg['stop_epoch']


def check_stops(cfg: Dict) -> None:
    """Raise if a ``StopDistillHook`` would never stop a distillation.

    Args:
        cfg (dict): A config.

    Raises:
        SettingError: If its epoch is no whole number, or the training ends
            before.
    """
    loop = cfg.get('train_cfg') or {}
    for path, stop in find_stops(cfg):
        owner, _, name = path.rpartition('.')
        check_number(owner, name, stop, minimum=0, integer=True)
        if (cfg.get('model') or {}).get('calculate_student_loss') is False:
            raise SettingError(
                f'{path}={stop} would leave no loss, since '
                f'model.calculate_student_loss=False; leave one of the two '
                f'out.'
            )
        epochs, iterations = loop.get('max_epochs'), loop.get('max_iters')
        if is_number(epochs) and stop >= epochs:
            raise SettingError(
                f'{path}={stop} would have no effect, since the training ends '
                f'after {epochs} epochs (train_cfg.max_epochs); give an epoch '
                f'before its last one, or leave the hook out.'
            )
        if epochs is None and is_number(iterations) and stop > 0:
            raise SettingError(
                f'{path}={stop} would have no effect, since a training by '
                f'iterations (train_cfg.max_iters) counts no epochs; train by '
                f'epochs, or leave the hook out.'
            )


def check_saving(cfg: Dict) -> None:
    """Raise if a training by iterations would save after each epoch.

    It has none, so that MMEngine would save nothing until its end.

    Args:
        cfg (dict): A config.

    Raises:
        SettingError: If a checkpoint hook counts epochs there.
    """
    loop = cfg.get('train_cfg') or {}
    kind = type_name(loop.get('type', ''))
    if loop.get('by_epoch') is not False and kind != 'IterBasedTrainLoop':
        return
    hooks = {'checkpoint': dict(type='CheckpointHook', interval=1)}
    hooks.update(cfg.get('default_hooks') or {})
    sections = dict(default_hooks=hooks, custom_hooks=cfg.get('custom_hooks'))
    saving = [
        part
        for section, value in sections.items()
        for part in find_parts(section, value, 'hook', 'mmengine')
        if type_name(part.type) in ('CheckpointHook', 'SafeCheckpointHook')
        and is_number(part.cfg.get('interval'))
        and part.cfg['interval'] > 0
    ]
    by_iteration = any(part.cfg.get('by_epoch') is False for part in saving)
    for part in saving:
        # One for the best alone saves at each validation.
        is_best = by_iteration and part.cfg.get('save_best')
        if part.cfg.get('by_epoch', True) and not is_best:
            raise SettingError(
                f'{part.path} saves every {part.cfg["interval"]} epochs, but '
                f'a training by iterations (train_cfg) counts none, and would '
                f'save at its end alone; write by_epoch=False and an interval '
                f'in iterations.'
            )
