"""Whether a resumed training has the settings that it was saved with."""

import inspect
from typing import Any, Dict, Iterable, List, Sequence, Set

from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import EpochBasedTrainLoop
from torch.optim import Optimizer

from ..errors import SettingError
from .epoch_position import KEY

# In a checkpoint's meta: the settings of the optimizers as they were built,
# which schedules and hooks change.
BUILT = 'optimizer_settings'
# What of a schedule is the length of the training unless it is written.
FROM_LENGTH = {'end', 'T_max', 'total_iters'}
# Of a constructor: what changes, is no setting, or changes no result.
NO_SETTINGS = {'optimizer', 'param_name', 'last_step', 'verbose'}
NO_SETTINGS |= {'params', 'foreach', 'fused', 'capturable', 'differentiable'}
Groups = Dict[str, List[Dict[str, Any]]]


def built_settings(runner) -> Groups:
    """Return the settings of a training's optimizers as they were built.

    Args:
        runner (Runner): Before its training begins.

    Returns:
        dict[str, list[dict]]: Those of each group of parameters, by the name
        of the optimizer, which is empty if there is one alone.
    """
    return {
        name: [_of_group(optimizer, g) for g in optimizer.param_groups]
        for name, optimizer in _optimizers(runner).items()
    }


def check_settings(runner, checkpoint: Dict[str, Any], source: str) -> None:
    """Raise if a config's optimizer or schedule would have no effect.

    PyTorch and MMEngine take both from the checkpoint. What of a schedule
    follows from ``max_epochs`` and the number of batches is compared, too.

    Args:
        runner (Runner): With its optimizer and schedulers built.
        checkpoint (dict): What the training resumes from.
        source (str): The option and the path, for the messages.

    Raises:
        SettingError: If a setting differs, or if schedulers count iterations
            of which an epoch has another number now.
    """
    schedulers, states = (
        runner.param_schedulers,
        checkpoint['param_schedulers'],
    )
    if not isinstance(schedulers, dict):  # one optimizer
        schedulers, states = dict(all=schedulers), dict(all=states)
    pairs = [
        (scheduler, state)
        for name, found in schedulers.items()
        for scheduler, state in zip(found or (), states.get(name) or ())
        if isinstance(state, dict)
    ]
    changed = epoch_lengths(runner, checkpoint)
    running = [
        scheduler
        for scheduler, state in pairs
        if not scheduler.by_epoch and not _is_over(state)
    ]
    if changed and (running or _splits_an_update(runner, checkpoint)):
        before, now = changed
        counting = [type(scheduler).__name__ for scheduler in running]
        counting = counting or ['accumulative_counts']
        raise SettingError(
            f'{source}: an epoch had {before} iterations and has {now} now, '
            f'but {counting[0]} counts iterations; go on with the same data, '
            f'batch size and number of processes, or start a new training '
            f'from its weights with load_from.'
        )
    _check_optimizers(runner, checkpoint, source)
    for scheduler, state in pairs:
        names = _settings(scheduler) & vars(scheduler).keys()
        if not state.keys() - vars(scheduler).keys():  # of the same kind
            names &= state.keys()  # a later version may have others
        ends = scheduler.end, state.get('end', scheduler.end)
        milestones = getattr(scheduler, 'milestones', ())
        if milestones and scheduler.begin + max(milestones) < min(ends):
            names -= {'end'}  # after the last one it changes nothing
        if not (changed and _is_over(state)):
            whose = f'param_scheduler {type(scheduler).__name__}'
            _compare(whose, names, state, vars(scheduler), source)


def epoch_lengths(runner, checkpoint: Dict[str, Any]) -> Sequence[int]:
    """Return the length of the epochs of a checkpoint, and that of ours.

    Returns:
        tuple[int, int]: In iterations; empty if they are equal, if it was
        saved within an epoch, or if that is unknown.
    """
    if not isinstance(runner.train_loop, EpochBasedTrainLoop):
        return ()
    hub = checkpoint['message_hub']
    known = hub.get('runtime_info', {}).get(KEY)
    length = len(runner.train_dataloader)
    if not known or known['epoch'] == checkpoint['meta']['epoch']:
        return ()
    return () if known['length'] == length else (known['length'], length)


def _splits_an_update(runner, checkpoint: Dict[str, Any]) -> bool:
    """Check whether an update would take gradients from both lengths."""
    counts = getattr(runner.optim_wrapper, '_accumulative_counts', 1)
    done = checkpoint['meta']['epoch'] * len(runner.train_dataloader)
    return 'gradients' in checkpoint or done % counts != 0


def _is_over(state: Dict[str, Any]) -> bool:
    """Check whether a saved scheduler changes nothing any more."""
    return state.get('_global_step', 0) >= state.get('end', float('inf'))


def _settings(built: Any) -> Set[str]:
    """List what the constructors of an optimizer or a scheduler take."""
    names: Set[str] = set()
    for kind in type(built).__mro__[:-1]:
        names |= set(inspect.signature(kind).parameters)
    return names - NO_SETTINGS


def _optimizers(runner) -> Dict[str, Optimizer]:
    """Return a training's optimizers by name; one alone has none."""
    wrapper = runner.optim_wrapper
    if isinstance(wrapper, OptimWrapperDict):
        return {name: each.optimizer for name, each in wrapper.items()}
    known = isinstance(wrapper, OptimWrapper)
    return {'': wrapper.optimizer} if known else {}


def _of_group(optimizer: Optimizer, group: Dict[str, Any]) -> Dict[str, Any]:
    """Return a group's settings as they were before any schedule."""
    names = _settings(optimizer) & group.keys()
    if 'initial_momentum' in group:  # which a schedule changes within them
        names -= {'betas'}
    return {
        name: _plain(group.get(f'initial_{name}', group[name]))
        for name in names
    }


def _check_optimizers(runner, checkpoint: Dict[str, Any], source: str) -> None:
    """Raise if a group of parameters has another setting."""
    saved = checkpoint['meta'].get(BUILT)
    if saved is None:
        saved = _of_a_schedule(checkpoint['optimizer'])
    for optimizer, groups in built_settings(runner).items():
        whose = f'optim_wrapper.{optimizer}.optimizer'.replace('..', '.')
        pairs = list(zip(saved.get(optimizer, ()), groups))
        for number, (before, now) in enumerate(pairs):
            # A later version of PyTorch may have others, no other kind.
            names = now.keys() & before.keys()
            if BUILT in checkpoint['meta']:
                names |= now.keys() & {'betas', 'momentum'}
            group = f"'s group {number + 1}" if len(pairs) > 1 else ''
            _compare(f'{whose}{group}', names, before, now, source)


def _of_a_schedule(state: Any) -> Groups:
    """Return what a checkpoint of another program says of an optimizer.

    That is what a schedule began with; a hook may have changed the rest.
    """
    start = 'initial_'
    groups = state.get('param_groups', []) if isinstance(state, dict) else []
    found = [
        {
            name[len(start) :]: _plain(value)
            for name, value in group.items()
            if name.startswith(start)
        }
        for group in groups
    ]
    return {'': found}


def _plain(value: Any) -> Any:
    """Return a value in a form that can be compared, or its kind."""
    if hasattr(value, 'tolist'):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    known = value is None or isinstance(value, (bool, int, float, str))
    return value if known else type(value).__name__


def _compare(
    whose: str,
    names: Iterable[str],
    before: Dict[str, Any],
    now: Dict[str, Any],
    source: str,
) -> None:
    """Raise if one of the named settings is another one now."""
    again = 'or start a new training from its weights with load_from'
    kinds = sorted(name for name in names if name not in before)
    if kinds:
        raise SettingError(
            f"{source}: the config's {whose} is of another kind than the "
            f'saved one, which has no {kinds[0]}; go on with that kind, '
            f'{again}.'
        )
    differ = [
        name
        for name in sorted(names)
        if _plain(before[name]) != _plain(now[name])
    ]
    if differ:
        values = ', '.join(
            f'{name}={now[name]} (saved: {before[name]})' for name in differ
        )
        hint = ''
        if FROM_LENGTH & {*differ}:
            hint = ' (by default, the length of the training, train_cfg)'
        raise SettingError(
            f"{source}: the config's {whose} has {values}{hint}, which would "
            f'have no effect, since a resumed training keeps what was saved; '
            f'write the saved value, {again}.'
        )
