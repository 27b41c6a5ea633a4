"""A config's training with another number of epochs."""

from typing import Any, Container, Dict, Iterator, Set, Tuple

from mmengine.config import Config

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


def fit_budget(
    cfg: Config, epochs: int, given: Container[str] = ()
) -> Dict[str, Any]:
    """Fit a config's training to another number of epochs.

    Schedulers that count epochs are scaled; see :func:`scale_scheduler`. The
    warm-up of a loss, and the lengths of LAKD's curriculum, keep their
    fraction of the training.

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
