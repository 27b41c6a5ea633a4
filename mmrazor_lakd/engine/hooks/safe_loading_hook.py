"""Checks of the checkpoints that a training starts from."""

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.registry import HOOKS
from mmengine.runner.base_loop import BaseLoop

from ...algorithms import FrozenTeacherDistill
from ...checkpoints.loading import check_finite, fit_weights, read_file
from ...checkpoints.weights import take_weights
from ...distillers.map_projection import MapProjection
from ...errors import SettingError
from ...tracing.modules import unwrap_model
from ..epoch_position import batches_done, note_epoch
from ..resume import OPTION, check_start, find_start, note_boundaries
from .epoch_seed_hook import EpochSeedHook


@HOOKS.register_module()
class SafeLoadingHook(Hook):
    """Checks what a Runner loads, since MMEngine accepts anything.

    ``resume`` without a path continues from the last complete checkpoint, see
    :func:`~mmrazor_lakd.engine.resume.find_start`. A checkpoint that lacks the
    training state, holds NaN, or belongs to another network is refused, and so
    is one of a training for which ``num_modules`` of
    :class:`~mmrazor_lakd.distillers.LAKDDistiller` chose other boundaries.

    ``load_from`` may be a checkpoint in any form that :func:`take_weights`
    knows, from the student's plain training or its distillation, whichever
    this run is. The number of weights that fit is logged; a checkpoint of
    which none fits is refused. The components of a
    :class:`~mmrazor_lakd.distillers.map_projection.MapProjection` are found
    anew: those of another training's first batch are kept by ``resume`` alone.

    Raises:
        SettingError: Before the first iteration.

    Examples:
        >>> default_hooks = dict(loading=dict(type='SafeLoadingHook'))
    """

    priority = 'VERY_HIGH'  # before hooks that copy what is loaded

    def before_run(self, runner) -> None:
        """Find and check the checkpoint that a training starts from."""
        if runner._has_loaded:
            return
        if not runner._resume:
            if runner._load_from is not None:
                read_file(runner._load_from, 'load_from')
            return
        if not isinstance(runner._train_loop, BaseLoop):
            return
        if runner._load_from is None:
            runner._load_from = find_start(runner.work_dir)
        if runner._load_from is None:
            runner._resume = False
            print_log(
                f"There is no checkpoint in '{runner.work_dir}' to resume "
                f'from: the training starts from the beginning.',
                logger='current',
            )
            return
        check_start(runner, runner._load_from)

    def after_load_checkpoint(self, runner, checkpoint) -> None:
        """Check what ``load_from`` names, and convert it."""
        if runner._resume:
            return
        path = runner._load_from
        source = f"load_from='{path}'"
        weights = take_weights(checkpoint, source)
        model = unwrap_model(runner.model)
        check_finite(model, weights, path, 'load_from')
        if not isinstance(model, FrozenTeacherDistill):  # does it itself
            fit_weights(model, weights, source)
        if checkpoint is weights:
            weights = dict(weights)
            checkpoint.clear()
        checkpoint['state_dict'] = weights

    def before_train(self, runner) -> None:
        """Refuse a restart of an epoch, and forget another's projections.

        Raises:
            SettingError: If MMEngine would restart an epoch that was saved
                midway.
        """
        if runner._load_from is not None and not runner._resume:
            for module in unwrap_model(runner.model).modules():
                if isinstance(module, MapProjection):
                    module.fitted = False
        seeded = any(isinstance(hook, EpochSeedHook) for hook in runner.hooks)
        done = 0 if seeded else batches_done(runner)
        if done:
            raise SettingError(
                f"{OPTION}='{runner._load_from}' was saved within epoch "
                f'{runner.epoch + 1}, after {done} of its iterations, and '
                f'MMEngine would begin that epoch anew; to go on where it '
                f"was, add dict(type='EpochSeedHook') to custom_hooks."
            )

    def before_train_epoch(self, runner) -> None:
        """Record where an epoch begins, for the checkpoints."""
        note_epoch(runner)

    def before_save_checkpoint(self, runner, checkpoint) -> None:
        """Note the boundaries of LAKD, with which a training has to go on."""
        note_boundaries(runner, checkpoint)
