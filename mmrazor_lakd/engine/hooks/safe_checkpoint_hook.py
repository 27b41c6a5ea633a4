"""Checkpoints of which the last complete one is never lost."""

from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Dict, List, Optional

from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend, get_file_backend
from mmengine.hooks import CheckpointHook
from mmengine.registry import HOOKS
from mmengine.runner.base_loop import BaseLoop

from ...checkpoints.weights import not_finite
from ...checkpoints.whole_file import UNFINISHED, write_whole
from ...errors import SettingError
from ...tracing.modules import unwrap_model
from ..folder_lock import lock_work_dir
from ..whole_file_backend import WHOLE_FILE

# Name of a checkpoint that StopSignalHook asks for.
STOPPED = 'stopped_iter_{}.pth'


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """A :class:`CheckpointHook` that loses nothing if it is killed.

    MMEngine's hook removes an old checkpoint before it writes the new one, and
    writes it in place. This one writes a temporary file, renames it once it is
    complete, points ``last_checkpoint`` to it, and only then removes old
    checkpoints; there has to be room for one more. It also

    - refuses a second training in the same work directory, which would remove
      the first one's checkpoints;
    - ends the training instead of saving weights with NaN or infinity, so that
      the last good checkpoint stays;
    - writes the checksum of ``epoch_3.pth`` to ``epoch_3.pth.sha256``, by
      which a damaged file is refused when it is loaded.

    With a remote ``backend_args`` or ``file_client_args`` it writes like
    MMEngine's.

    Args:
        args: Arguments of :class:`CheckpointHook`.
        kwargs: Keyword arguments of :class:`CheckpointHook`.

    Raises:
        SettingError: Before the first iteration, if another training uses the
            folder; later, if the training has diverged or the disk is full.

    Examples:
        >>> default_hooks = dict(
        ...     checkpoint=dict(type='SafeCheckpointHook', max_keep_ckpts=1)
        ... )
    """

    # The base's, whose types can't be told from what is set here.
    backend_args: Optional[Dict[str, Any]]
    best_ckpt_path: Optional[str]

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self._locks = ExitStack()
        self._local = False
        # Epoch and iteration of the last checkpoint, also if it was resumed.
        self._saved = (-1, -1)
        self._start: Optional[str] = None
        # What is not finite by design, such as an attention mask.
        self._never_finite: List[str] = []

    def before_run(self, runner) -> None:
        """Lock the work directory, if this is a training."""
        if isinstance(runner._train_loop, BaseLoop):
            self._lock(runner.work_dir)

    def before_train(self, runner) -> None:
        """Remove files that a killed training has left incomplete."""
        folder = str(self.out_dir or runner.work_dir)
        backend = get_file_backend(folder, backend_args=self.backend_args)
        self._local = (
            self.file_client_args is None and type(backend) is LocalBackend
        )
        if self._local:
            self.backend_args = dict(backend=WHOLE_FILE)
        super().before_train(runner)
        if self._local:
            self._lock(self.out_dir)
            self.file_backend.remove_outdated()
            self._stay_in_folder()
            self._go_on_from(runner)
            if is_main_process():
                for place in {runner.work_dir, self.out_dir}:
                    for file in Path(place).glob(f'*{UNFINISHED}'):
                        file.unlink()
        buffers = dict(unwrap_model(runner.model).named_buffers())
        self._never_finite = [f'state_dict.{n}' for n in not_finite(buffers)]

    def after_train(self, runner) -> None:
        """Publish what ``published_keys`` say, if it is in this folder."""
        best = getattr(self, 'best_ckpt_path_dict', {})
        for key in [key for key, path in best.items() if path is None]:
            del best[key]
        super().after_train(runner)

    def after_run(self, runner) -> None:
        """Release the folders."""
        self._locks.close()

    def _lock(self, folder: str) -> None:
        """Lock a folder for this training; only rank 0 writes."""
        if is_main_process():
            self._locks.enter_context(lock_work_dir(folder))

    def _save_checkpoint_with_step(self, runner, step, meta) -> None:
        """Save, then point to the file, then remove old checkpoints."""
        self._check_finite(runner)
        if not self._local:
            super()._save_checkpoint_with_step(runner, step, meta)
            return
        if (
            self.max_keep_ckpts > 0
            and step not in list(self.keep_ckpt_ids)[-1:]
        ):
            # The oldest one stays until the new one is saved; if the training
            # is killed in between, the next start removes it.
            on_disk = [*self.keep_ckpt_ids, step]
            runner.message_hub.update_info('keep_ckpt_ids', on_disk)
            self.keep_ckpt_ids.append(step)  # which drops the oldest one
            for old in on_disk[: -self.max_keep_ckpts]:
                self._remove(self.filename_tmpl.format(old))
        runner.message_hub.update_info('saves_regularly', True)
        self._write(
            runner,
            self.filename_tmpl.format(step),
            meta,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            by_epoch=self.by_epoch,
            **self.args,
        )
        if self.max_keep_ckpts > 0:
            kept = list(self.keep_ckpt_ids)
            runner.message_hub.update_info('keep_ckpt_ids', kept)
        if is_main_process():
            # What a stopped training has left is not needed from here on.
            for path in Path(self.out_dir).glob(STOPPED.format('*')):
                if int(path.stem.split('_')[-1]) <= meta['iter']:
                    self._remove(path.name)
        self._remove_outdated()

    def _write(self, runner, name: str, meta: Dict, **kwargs) -> None:
        """Write a checkpoint, and then point to it."""
        self.last_ckpt = self.file_backend.join_path(self.out_dir, name)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        self._saved = (meta['epoch'], meta['iter'])
        runner.save_checkpoint(
            self.out_dir,
            name,
            meta=meta,
            file_client_args=self.file_client_args,
            backend_args=self.backend_args,
            **kwargs,
        )
        if is_main_process():
            pointer = Path(runner.work_dir, 'last_checkpoint')
            write_whole(pointer, self.last_ckpt.encode())

    def has_saved(self, epoch: int, iteration: int) -> bool:
        """Check whether the last checkpoint is of this position."""
        return self._saved == (epoch, iteration)

    def save_stopped(self, runner, epoch: int, iteration: int) -> str:
        """Save a training that is about to stop, unless it just was saved.

        The file, ``stopped_iter_N.pth``, is removed once there is a regular
        checkpoint of a later iteration.

        Args:
            runner (Runner): The training.
            epoch (int): The epochs that are completed.
            iteration (int): The iterations that are completed.

        Returns:
            str: The path of the last checkpoint.
        """
        if not self.has_saved(epoch, iteration):
            self._check_finite(runner)
            meta = dict(epoch=epoch, iter=iteration)
            name = STOPPED.format(iteration)
            self._write(runner, name, meta, by_epoch=False)
        return self.last_ckpt or self._start

    def _save_best_checkpoint(self, runner, metrics) -> None:
        """Save, then remove the previous best one."""
        self._check_finite(runner)
        super()._save_best_checkpoint(runner, metrics)
        if self._local:
            self._remove_outdated()

    def _remove(self, name: str) -> None:
        """Remove a checkpoint of this training when it is safe to."""
        path = self.file_backend.join_path(self.out_dir, name)
        if is_main_process() and self.file_backend.exists(path):
            self.file_backend.remove(path)

    def _remove_outdated(self) -> None:
        """Remove checkpoints that have been superseded."""
        keep = {self.last_ckpt, getattr(self, 'best_ckpt_path', None)}
        keep.update(getattr(self, 'best_ckpt_path_dict', {}).values())
        self.file_backend.remove_outdated(keep)

    def _stay_in_folder(self) -> None:
        """Keep the best checkpoint's path in this training's own folder.

        A checkpoint holds the path of the best one so far. In a copy of a work
        directory that path is the original's, which must not be removed. In a
        new work directory, which goes on from another one's checkpoint, there
        is none yet.
        """

        def here(path):
            name = path and Path(path).name
            own = path and self.file_backend.join_path(self.out_dir, name)
            return own if own and self.file_backend.exists(own) else None

        if hasattr(self, 'best_ckpt_path'):
            self.best_ckpt_path = here(self.best_ckpt_path)
        for key, path in getattr(self, 'best_ckpt_path_dict', {}).items():
            self.best_ckpt_path_dict[key] = here(path)

    def _go_on_from(self, runner) -> None:
        """Let the checkpoint of this folder that is resumed be the last one.

        MMEngine's hook forgets it, and after a validation of it would not
        save in it that it is the best one.
        """
        start = runner._resume and runner._load_from
        if (
            start
            and Path(start).resolve().parent == Path(self.out_dir).resolve()
        ):
            self._start = start
            self._saved = (runner.epoch, runner.iter)
            # Once there is one, a best checkpoint has a regular one beside it:
            # without the stop there might be none yet.
            known = runner.message_hub.runtime_info
            stopped = Path(start).match(STOPPED.format('*'))
            if not stopped or 'saves_regularly' in known:
                self.last_ckpt = start

    def _check_finite(self, runner) -> None:
        """Refuse to save a training that has diverged."""
        state = _state(runner, self.save_optimizer)
        bad = (n for n in not_finite(state) if n not in self._never_finite)
        first = next(bad, None)
        if first is None:
            return
        last = self.last_ckpt or (runner._resume and runner._load_from)
        again = f' (load_from={last})' if last else ''
        raise SettingError(
            f'The training has diverged: {first} holds NaN or infinity, and '
            f'is not saved; start a new training{again} with a smaller '
            f'optim_wrapper.optimizer.lr, or with '
            f'optim_wrapper.clip_grad=dict(max_norm=...).'
        )


def _state(runner, optimizer: bool) -> Dict:
    """Collect the weights and the optimizer's state for a checkpoint."""
    state = dict(state_dict=unwrap_model(runner.model).state_dict())
    if optimizer:
        state['optimizer'] = runner.optim_wrapper.state_dict()
    return state


def use_safe_hooks(cfg: Config) -> None:
    """Make a config save, load, stop and resume with this project's hooks.

    MMEngine's :class:`CheckpointHook`, including the default one, becomes a
    :class:`SafeCheckpointHook` with the same options. A config without a
    :class:`~mmrazor_lakd.engine.DivergenceHook`,
    :class:`~mmrazor_lakd.engine.StopSignalHook`,
    :class:`~mmrazor_lakd.engine.MissedValidationHook`,
    :class:`~mmrazor_lakd.engine.SavedStatisticsHook` or
    :class:`~mmrazor_lakd.engine.EpochSeedHook` gets one.
    """
    if cfg.get('default_hooks') is None:
        cfg.default_hooks = {}
    hooks = cfg.default_hooks
    hooks.setdefault('checkpoint', dict(type='CheckpointHook', interval=1))
    hooks.setdefault('loading', dict(type='SafeLoadingHook'))
    hooks.setdefault('stop', dict(type='StopSignalHook'))
    hooks.setdefault('missed', dict(type='MissedValidationHook'))
    hooks.setdefault('statistics', dict(type='SavedStatisticsHook'))
    custom = cfg.get('custom_hooks') or []
    every = [*custom, *hooks.values()]
    kinds = {_hook_class(hook) for hook in every}
    for name, kind in (
        ('divergence', 'DivergenceHook'),
        ('epoch_seed', 'EpochSeedHook'),
    ):
        if HOOKS.get(kind) not in kinds:
            hooks.setdefault(name, dict(type=kind))
    saving = []
    for hook in [*hooks.values(), *custom]:
        if _hook_class(hook) is CheckpointHook:
            hook['type'] = 'SafeCheckpointHook'
        if _hook_class(hook) is SafeCheckpointHook:
            saving.append(hook)
    _check_names(saving)


def _check_names(hooks: List[Dict[str, Any]]) -> None:
    """Raise if one hook would remove what another one saves.

    Raises:
        SettingError: If two save files of the same names in one folder.
    """
    places = []
    removing = set()
    for hook in hooks:
        by_epoch = 'epoch' if hook.get('by_epoch', True) else 'iter'
        name = hook.get('filename_tmpl') or f'{by_epoch}_{{}}.pth'
        if hook.get('interval', -1) != -1:
            places.append((hook.get('out_dir'), name))
            if hook.get('max_keep_ckpts', -1) != -1:
                removing.add(places[-1])
    for place in places:
        if places.count(place) > 1 and place in removing:
            raise SettingError(
                f"{places.count(place)} checkpoint hooks save '{place[1]}' in "
                f'the same folder, where one with max_keep_ckpts removes '
                f'what the others are told to keep; give one of them a '
                f'filename_tmpl or an out_dir of its own.'
            )


def _hook_class(hook: Any) -> Optional[type]:
    """Return the class of a hook in a config, however its type is written.

    A config of MMEngine's new style names it by its full path.
    """
    kind = hook.get('type') if isinstance(hook, dict) else None
    with suppress(Exception):  # of a package that is not here: told later
        kind = HOOKS.get(kind) if isinstance(kind, str) else kind
    return kind if isinstance(kind, type) else None
