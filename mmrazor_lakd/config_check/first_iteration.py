"""Explain what fails before a training's first iteration is done."""

from contextlib import contextmanager
from typing import Dict, Iterator, Optional

from mmengine.config import Config
from mmengine.dist import get_world_size
from mmengine.hooks import EarlyStoppingHook, Hook
from mmengine.optim.scheduler.param_scheduler import (
    ReduceOnPlateauParamScheduler,
)
from mmengine.runner import BaseLoop
from torch.utils.data import DataLoader

from ..errors import SettingError, nearest
from ..launchers import explain_loss
from . import add_key, explain


class FirstIteration(Hook):
    """Notes that this process has completed an iteration.

    Errors before that are usually due to a setting, later ones to the code.
    So are those of the first validation, which is the first to use the
    evaluator, and what waits for its metrics.
    """

    priority = 'LOWEST'  # behind the hooks that may fail
    done = False
    _validated = False

    def before_run(self, runner) -> None:
        """Raise if the validation or test data has no batch."""
        for name in ('val', 'test'):
            loop = getattr(runner, f'_{name}_loop')
            if isinstance(loop, BaseLoop):
                check_batches(f'{name}_dataloader', loop.dataloader)

    def after_train_iter(self, *args, **kwargs) -> None:
        """Note the iteration."""
        FirstIteration.done = True

    def before_val(self, runner) -> None:
        """Begin anew, if nothing has been validated yet."""
        if not self._validated:
            FirstIteration.done = False

    def after_val_epoch(self, runner, metrics: Optional[Dict] = None) -> None:
        """Check that what waits for a metric waits for one that exists."""
        if not self._validated:
            check_monitors(runner, metrics or {})

    def after_val(self, runner) -> None:
        """Note the validation."""
        self._validated = FirstIteration.done = True

    def after_test(self, runner) -> None:
        """Note the test, which has but one epoch."""
        FirstIteration.done = True


def check_monitors(runner, metrics: Dict) -> None:
    """Raise if a hook or schedule waits for a metric that doesn't exist.

    MMEngine would warn, or let it wait.

    Args:
        runner (Runner): After its first validation.
        metrics (dict): Its metrics.

    Raises:
        SettingError: If one does, naming the nearest metrics.
    """
    schedulers = runner.param_schedulers or []
    if isinstance(schedulers, dict):  # of several optimizers
        schedulers = sum(schedulers.values(), [])
    waiting = EarlyStoppingHook, ReduceOnPlateauParamScheduler
    for part in [*runner.hooks, *schedulers]:
        if isinstance(part, waiting) and part.monitor not in metrics:
            raise SettingError(
                f'{type(part).__name__} has monitor={part.monitor!r}, which '
                f'is no metric of val_evaluator, so that it would have no '
                f'effect; the nearest ones are: '
                f'{nearest(str(part.monitor), metrics)}.'
            )


def check_batches(name: str, loader: DataLoader) -> None:
    """Raise if a data loader has no batch.

    Raises:
        SettingError: If it has none, naming the data set and batch size.
    """
    kind = type(loader.dataset).__name__
    try:
        count = len(loader.dataset)
    except TypeError:  # an IterableDataset
        return
    if not count:
        raise SettingError(
            f'{name}.dataset: {kind} has no image; look at what chooses them '
            f'(data_root, ann_file, split, indices).'
        )
    try:
        batches = len(loader)
    except TypeError:  # a sampler without an end
        return
    if not batches:
        raise SettingError(
            f'{name} has no batch: {kind} has {count} images for '
            f'{get_world_size()} processes, batch_size is '
            f'{loader.batch_size} and incomplete batches are dropped; take a '
            f'smaller one, or drop_last=False.'
        )


@contextmanager
def explained(cfg: Config) -> Iterator[FirstIteration]:
    """Explain errors before the first iteration by the config's keys.

    Args:
        cfg (Config): The config that is built and run in the block.

    Yields:
        FirstIteration: A hook for the Runner.

    Raises:
        SettingError: Instead of any other exception, until an iteration is
            done.
    """
    FirstIteration.done = False  # of an earlier training in this process
    try:
        yield FirstIteration()
    except SettingError as error:
        raise SettingError(add_key(error, cfg)) from error
    except Exception as error:
        if FirstIteration.done:
            raise
        sentence = explain_loss(error) or explain(error, cfg)
        raise SettingError(sentence) from error
