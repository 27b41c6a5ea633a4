"""Whether a resumed training has the settings that it was saved with."""

import inspect
from typing import Any, Dict, Iterable, List, Sequence, Set

from mmengine.runner import EpochBasedTrainLoop

from ..errors import SettingError
from .epoch_position import KEY

# By these an optimizer of another kind is noticed.
KINDS = {'momentum', 'betas'}
# What of a schedule is the length of the training unless it is written.
FROM_LENGTH = {'end', 'T_max', 'total_iters'}
# Of a constructor: what changes, is no setting, or changes no result.
NO_SETTINGS = {'optimizer', 'param_name', 'last_step', 'verbose'}
NO_SETTINGS |= {'params', 'foreach', 'fused', 'capturable', 'differentiable'}


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
            f'batch size and number of processes, or begin a new training '
            f'with its weights by load_from.'
        )
    _check_groups(runner, checkpoint['optimizer'], source)
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


def _check_groups(runner, state: Any, source: str) -> None:
    """Raise if a group of parameters has another setting."""
    optimizer = getattr(runner.optim_wrapper, 'optimizer', None)
    if optimizer is None or not isinstance(state, dict):
        return  # several optimizers, or DeepSpeed's
    groups: List[Dict[str, Any]] = state.get('param_groups', [])
    pairs = zip(groups, optimizer.param_groups)
    for number, (before, now) in enumerate(pairs):
        names = _settings(optimizer) & now.keys() & (before.keys() | KINDS)
        if 'initial_momentum' in now:  # which a schedule changes within them
            names -= {'betas'}
        scheduled = {name: f'initial_{name}' for name in names}
        names = {new if new in now else old for old, new in scheduled.items()}
        whose = 'optim_wrapper.optimizer'
        if len(groups) > 1:
            whose += f"'s group {number + 1}"
        _compare(whose, names, before, now, source)


def _compare(
    whose: str,
    names: Iterable[str],
    before: Dict[str, Any],
    now: Dict[str, Any],
    source: str,
) -> None:
    """Raise if one of the named settings is another one now."""
    for name in sorted(names):
        old, new = before.get(name, f'no {name}'), now[name]
        if isinstance(new, (list, tuple)) and isinstance(old, (list, tuple)):
            old, new = list(old), list(new)
        if old != new:
            hint = ''
            if name in FROM_LENGTH:
                hint = ' (by default that of the training, train_cfg)'
            raise SettingError(
                f"{source}: the config's {whose} has "
                f'{name.replace("initial_", "")}={new}{hint}, which would '
                f'have no effect, since a resumed training goes on with what '
                f'it was saved with, {old}; write that, or begin a new '
                f'training with its weights by load_from.'
            )
