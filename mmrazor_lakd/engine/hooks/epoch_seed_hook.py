"""Makes an interrupted training end like an uninterrupted one."""

from functools import partial
from itertools import chain, repeat
from typing import Any, Dict

from mmengine.dataset import InfiniteSampler
from mmengine.dist import get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.registry import HOOKS
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop
from torch import Tensor, nn

from ...errors import SettingError
from ...tracing.modules import unwrap_model
from ..epoch_position import batches_done, note_epoch
from ..numbered_batches import (
    MODEL,
    ORDER,
    NumberedBatches,
    can_number,
    iterate_numbered,
    seed_generators,
)


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Makes a resumed training continue exactly where it stopped.

    MMEngine seeds the random generators once, and a checkpoint does not hold
    their state, so that a resumed training augments its images differently
    from an uninterrupted one. With this hook the random numbers of an
    iteration, for both data and model, depend only on the seed, the iteration
    and the rank, with or without data loading workers: on a CPU both trainings
    end with bitwise equal weights.

    A checkpoint may also be from the middle of an epoch, where MMEngine would
    restart the epoch: the batches already trained are skipped without being
    loaded, in iteration-based training too. Gradients accumulated for the next
    update are saved in the checkpoint.

    Not covered are generators that a transform or a data set keeps for itself,
    and, with several processes, the gradients that each has accumulated.

    Raises:
        SettingError: Before the first iteration, if a training can't continue
            where it stopped.

    Examples:
        >>> custom_hooks = [dict(type='EpochSeedHook')]
    """

    priority = 'VERY_HIGH'  # before anything draws random numbers

    def __init__(self) -> None:
        self._gradients: Dict[str, Tensor] = {}
        # The resumed epoch, and its first iteration.
        self._resumed = (-1, -1)
        self._done = 0

    def after_load_checkpoint(self, runner, checkpoint) -> None:
        """Keep the accumulated gradients of a checkpoint, if it has any."""
        if runner._resume:
            self._gradients = checkpoint.get('gradients', {})

    def before_save_checkpoint(self, runner, checkpoint) -> None:
        """Save the gradients accumulated for the next update."""
        wrapper = runner.optim_wrapper
        counts = getattr(wrapper, '_accumulative_counts', 1)
        if 'optimizer' not in checkpoint or get_world_size() > 1:
            return
        if counts > 1 and wrapper.inner_count % counts:
            params = unwrap_model(runner.model).named_parameters()
            checkpoint['gradients'] = {
                name: param.grad.cpu()
                for name, param in params
                if param.grad is not None
            }

    def before_train(self, runner) -> None:
        """Number the batches, and skip those already trained."""
        self._restore_gradients(runner.model)
        loop = runner.train_loop
        by_epoch = isinstance(loop, EpochBasedTrainLoop)
        if not by_epoch and not isinstance(loop, IterBasedTrainLoop):
            return
        done = batches_done(runner) if by_epoch else loop.iter
        if can_number(loop.dataloader):
            _restore_order(runner)
            number = _number_iterations if not by_epoch else self._number_epoch
            number(runner, done)
        elif done:
            raise SettingError(
                f"A training can't go on at iteration {loop.iter} with "
                f'{type(loop.dataloader.dataset).__name__}, of which no batch '
                f'sampler chooses the samples; resume from a checkpoint of '
                f"an epoch's end, or begin anew with load_from."
            )

    def before_train_epoch(self, runner) -> None:
        """Seed what other hooks draw at the start of an epoch."""
        note_epoch(runner)
        seed_generators(
            runner.seed, runner.iter - self._skip(runner), 0, ORDER
        )

    def after_train_epoch(self, runner) -> None:
        """End the resumed pass: other hooks may make one of their own."""
        self._resumed = (-1, -1)

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        """Seed what the model draws."""
        seed_generators(runner.seed, runner.iter, get_rank(), MODEL)

    def after_train(self, runner) -> None:
        """Restore the loader."""
        loader = runner.train_dataloader
        getattr(loader, '__dict__', {}).pop('_get_iterator', None)

    def _skip(self, runner) -> int:
        """Return how many batches of the current pass were already trained."""
        now = runner.epoch, runner.iter
        return self._done if now == self._resumed else 0

    def _number_epoch(self, runner, done: int) -> None:
        """Number the batches of an epoch-based loop."""
        loop = runner.train_loop
        loader = loop.dataloader
        self._resumed, self._done = (loop.epoch, loop.iter), done
        batches = NumberedBatches(
            loader.batch_sampler,
            lambda: (loop.iter - self._skip(runner), loop.iter),
            runner.seed,
        )
        loader._get_iterator = partial(
            iterate_numbered, loader, get_rank(), batches
        )
        if not done:
            return
        print_log(
            f'Epoch {loop.epoch + 1} goes on after {done} of its '
            f'{len(loader)} iterations.',
            logger='current',
        )
        run_iter = loop.run_iter

        def run_iter_of_epoch(idx: int, data_batch: Any) -> None:
            resumed = loop.epoch == self._resumed[0]
            run_iter(idx + done if resumed else idx, data_batch)

        loop.run_iter = run_iter_of_epoch

    def _restore_gradients(self, model: nn.Module) -> None:
        """Restore the accumulated gradients of the parameters."""
        for name, param in unwrap_model(model).named_parameters():
            if name in self._gradients:
                param.grad = self._gradients[name].to(param.device)
        if self._gradients:
            print_log(
                'The accumulated gradients were in the checkpoint: none are '
                'lost.',
                logger='current',
            )
        self._gradients = {}


def _restore_order(runner) -> None:
    """Shuffle the samples as in the resumed training."""
    sampler = getattr(runner.train_dataloader.batch_sampler, 'sampler', None)
    hub = runner.message_hub
    if isinstance(getattr(sampler, 'seed', None), int):
        if runner.iter > 0 and 'sampler_seed' in hub.runtime_info:
            sampler.seed = hub.get_info('sampler_seed')
        elif runner.iter > 0 and _draws_seed(runner.cfg):
            # A training without this hook: the Runner's seed has been
            # resumed, while the sampler had the one that this start drew.
            sampler.seed = runner.seed
        hub.update_info('sampler_seed', sampler.seed)
    if isinstance(sampler, InfiniteSampler):
        # The loop's own workers have taken the first ones.
        sampler.indices = sampler._indices_of_rank()


def _draws_seed(cfg) -> bool:
    """Check whether a training's sampler has a seed drawn at its start."""
    sampler = (cfg.get('train_dataloader') or {}).get('sampler') or {}
    own = isinstance(sampler, dict) and sampler.get('seed') is not None
    return not own and (cfg.get('randomness') or {}).get('seed') is None


def _number_iterations(runner, done: int) -> None:
    """Number the batches of an iteration-based loop."""
    loop = runner.train_loop
    loader = loop.dataloader
    # Their workers have already begun to load.
    loop.dataloader_iterator = loader._iterator = None
    batches = NumberedBatches(
        loader.batch_sampler, lambda: (0, done), runner.seed, endless=True
    )
    loop.dataloader_iterator = chain(
        repeat(None, done),  # the loop skips as many
        iterate_numbered(loader, get_rank(), batches),
    )
