"""A config's training with another number of epochs."""

from typing import Any, Container, Dict, Iterator, Set, Tuple

from mmengine.config import Config

from ...config_check.epoch_counts import find_stops
from ...config_check.kinds import type_name
from ...errors import is_number

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
#: those that may be the whole length of a schedule
LENGTHS = ('T_max', 'total_steps')
#: how the types of those begin that warm a learning rate up
WARM_UPS = ('Linear', 'Constant')
#: settings of LAKDDistiller with a length
CURRICULUM = ('progressive', 'feed', 'local_phase')


def fit_budget(
    cfg: Config, epochs: int, given: Container[str] = ()
) -> Dict[str, Any]:
    """Fit a config's training to another number of epochs.

    Schedulers that count epochs are scaled; see :func:`scale_scheduler`. The
    warm-up of a loss, the lengths of LAKD's curriculum, and what comes before
    the ``stop_epoch`` of a ``StopDistillHook`` keep their fraction of the
    training.

    Args:
        cfg (Config): The config.
        epochs (int): Number of epochs of the training.
        given (Container[str]): Settings that were written for this number.
            Steps and warm-ups of losses are always for the config's.

    Returns:
        dict: The settings that change, by dotted names.
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
        for key, value in scaled.items():
            if key == 'milestones' or f'{name}.{key}' not in given:
                options[f'{name}.{key}'] = value
    for name, length in find_lengths(cfg.model.get('distiller') or {}):
        if name in CURRICULUM and f'model.distiller.{name}.epochs' in given:
            continue
        options[f'model.distiller.{name}.epochs'] = None
        options[f'model.distiller.{name}.fraction'] = (
            length['epochs'] / planned
        )
    for path, stop in find_stops(cfg):
        name = path.replace('[', '.').replace(']', '')
        if name not in given and is_number(stop):
            epoch = round(stop * epochs / planned)
            if 0 < stop < planned:  # beyond, it is refused
                # Rounding leaves an epoch on each side, if there are two.
                epoch = max(min(epoch, epochs - 1), 1)
            options[name] = epoch
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

    def scale(epoch: int) -> int:
        return max(round(epoch * epochs / planned), min(epoch, 1))

    kind = type_name(scheduler.get('type'))
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
    # Rounded apart, a cosine would end before or after its schedule.
    begin = scheduler.get('begin') or 0
    for name in LENGTHS:
        if name in found and scheduler[name] == end - begin:
            last = found.get('end', epochs)
            found[name] = max(last - found.get('begin', begin), 1)
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
