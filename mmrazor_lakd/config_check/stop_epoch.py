"""Find a distillation's end that comes after the training's."""

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
