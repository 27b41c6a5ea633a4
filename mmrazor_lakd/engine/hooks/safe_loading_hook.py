"""Checks of the checkpoints that a training starts from."""

import os.path as osp
from typing import Any, Dict, List

from mmengine.hooks import CheckpointHook, Hook
from mmengine.logging import print_log
from mmengine.registry import HOOKS
from mmengine.runner.base_loop import BaseLoop

from ...algorithms import FrozenTeacherDistill
from ...checkpoints.loading import (
    TEACHER_PREFIX,
    check_finite,
    fit_weights,
    read_file,
    read_state_dict,
)
from ...checkpoints.weights import take_weights
from ...errors import SettingError
from ...tracing.modules import unwrap_model
from ..epoch_position import batches_done, note_epoch
from ..resume import OPTION, check_start, find_start, note_boundaries
from ..resumed_settings import BUILT, built_settings, epoch_lengths
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
    which none fits is refused. What belongs to one training, and is kept by
    ``resume`` alone, begins anew: the components of a
    :class:`~mmrazor_lakd.distillers.map_projection.MapProjection`, the banks
    and negatives of CRD, the paths of FCFD.

    Raises:
        SettingError: Before the first iteration.

    Examples:
        >>> default_hooks = dict(loading=dict(type='SafeLoadingHook'))
    """

    priority = 'VERY_HIGH'  # before hooks that copy what is loaded

    def __init__(self) -> None:
        self._teacher_from = ''
        self._built: Dict[str, List[Dict[str, Any]]] = {}

    def before_run(self, runner) -> None:
        """Find and check the checkpoint that a training starts from."""
        self._built = built_settings(runner)
        if runner._has_loaded:
            return
        if not runner._resume:
            if runner._load_from is not None:
                read_file(runner._load_from, 'load_from')
            return
        if not isinstance(runner._train_loop, BaseLoop):
            return
        if runner._load_from is None:
            saving = (h for h in runner.hooks if isinstance(h, CheckpointHook))
            out_dir = getattr(next(saving, None), 'out_dir', None)
            runner._load_from = find_start(runner.work_dir, out_dir)
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
        path = runner._load_from
        if runner._resume:
            self._add_teacher(runner, checkpoint)
            _convert_iteration(runner, checkpoint)
            return
        local = '://' not in str(path)
        self._teacher_from = osp.abspath(path) if local else path
        source = f"load_from='{path}'"
        weights = take_weights(checkpoint, source)
        model = unwrap_model(runner.model)
        check_finite(model, weights, path, 'load_from')
        if not isinstance(model, FrozenTeacherDistill):  # does it itself
            fit_weights(model, weights, source)
        others = {
            f'{name}.{buffer}'
            for name, module in model.named_modules()
            for buffer in getattr(module, 'of_one_training', ())
        }
        kept = {k: v for k, v in weights.items() if k not in others}
        if checkpoint is weights:
            checkpoint.clear()
        checkpoint['state_dict'] = kept

    def before_train(self, runner) -> None:
        """Refuse a restart of an epoch.

        An averaged model shares the teacher with the model.

        Raises:
            SettingError: If MMEngine would restart an epoch that was saved
                midway.
        """
        model = unwrap_model(runner.model)
        for hook in runner.hooks:
            averaged = getattr(hook, 'ema_model', None)  # of an EMAHook
            copied = getattr(averaged, 'module', None)
            if isinstance(copied, FrozenTeacherDistill):
                model.share_teacher(copied)
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
        """Note what a training has to go on with.

        That is the boundaries of LAKD, the settings of the optimizer, and
        where the teacher's weights are if they came with ``load_from``: they
        are in no checkpoint of ours.
        """
        note_boundaries(runner, checkpoint)
        checkpoint['meta'][BUILT] = self._built
        if getattr(unwrap_model(runner.model), 'has_taken_teacher', False):
            checkpoint['meta']['teacher_from'] = self._teacher_from

    def _add_teacher(self, runner, checkpoint) -> None:
        """Add the teacher that a resumed training has got by ``load_from``."""
        model = unwrap_model(runner.model)
        source = checkpoint.get('meta', {}).get('teacher_from')
        if source and not getattr(model, 'teacher_ckpt', None):
            option = "the resumed training's load_from"
            self._teacher_from = source
            checkpoint['state_dict'].update(
                (name, value)
                for name, value in read_state_dict(source, option).items()
                if name.startswith(TEACHER_PREFIX)
            )


def _convert_iteration(runner, checkpoint) -> None:
    """Count the epochs that are done as if they had had today's length.

    What depends on the progress of a training compares its iteration with the
    last one, which is counted so.
    """
    lengths = epoch_lengths(runner, checkpoint)
    if lengths:
        meta = checkpoint['meta']
        before, meta['iter'] = meta['iter'], meta['epoch'] * lengths[1]
        print_log(
            f'An epoch had {lengths[0]} iterations and has {lengths[1]} now: '
            f'{before} iterations count as {meta["iter"]}.',
            logger='current',
        )
