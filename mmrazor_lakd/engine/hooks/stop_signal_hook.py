"""Saves a training that is told to stop, by SIGTERM or Ctrl-C."""

import os
import signal
import sys
import threading
import time
from functools import partial
from typing import Any, Callable, Dict, Optional

import torch
from mmengine.dist import barrier, get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner.base_loop import BaseLoop
from torch import distributed
from torch.utils.data import DataLoader

from .safe_checkpoint_hook import SafeCheckpointHook

SIGNALS = (signal.SIGTERM, signal.SIGINT)
# A launcher passes on the Ctrl-C that its processes have got already.
SAME = 1.0


@HOOKS.register_module()
class StopSignalHook(Hook):
    """Saves before a training ends on SIGTERM or SIGINT.

    Clusters send SIGTERM some seconds before they take a machine away, and
    Ctrl-C is SIGINT. The iteration at hand is finished and saved by the
    training's :class:`SafeCheckpointHook` as ``stopped_iter_N.pth``, from
    which ``resume`` continues; the next checkpoint replaces it. The process
    exits with the status of a shell, 128 + the signal's number. If several
    processes train together, all stop after the same iteration, whichever has
    got the signal. A second signal, a second or more after the first, ends
    the process at once.

    During a validation the training is saved after it, or ends at once if
    it is in one process and was saved before. Until training begins, the
    signals end the process as usual.

    Raises:
        SystemExit: After the iteration.

    Examples:
        >>> default_hooks = dict(stop=dict(type='StopSignalHook'))
    """

    priority = 'LOWEST'  # after all that changes what is saved

    def __init__(self) -> None:
        self._signal = 0
        self._since = 0.0
        self._previous: Dict[int, Any] = {}
        self._group: Any = None

    def before_run(self, runner) -> None:
        """Handle the signals, if this is a training."""
        if not isinstance(runner._train_loop, BaseLoop):
            return
        # NCCL would make each iteration wait for the device.
        if get_world_size() > 1:
            self._group = distributed.new_group(backend='gloo')
        if threading.current_thread() is not threading.main_thread():
            return  # Python has handlers in the main thread only
        for number in SIGNALS:
            # nohup and a shell's & ignore SIGINT.
            if signal.getsignal(number) != signal.SIG_IGN:
                self._previous[number] = signal.signal(number, self._note)
        for loop in (runner._train_loop, runner._val_loop):
            if isinstance(getattr(loop, 'dataloader', None), DataLoader):
                loader = loop.dataloader
                loader.worker_init_fn = partial(
                    spare_worker, loader.worker_init_fn
                )

    def after_train_iter(self, runner, batch_idx, *args, **kwargs) -> None:
        """Stop after this iteration, if any process has got a signal."""
        number = self._received()
        if number:
            # The loop counts this iteration later.
            self._stop(runner, number, runner.iter + 1)

    def after_val_iter(self, runner, *args, **kwargs) -> None:
        """Stop, if everything is saved and no other process has to agree."""
        if self._signal and get_world_size() == 1:
            saver = _saver(runner)
            if saver and saver.has_saved(runner.epoch, runner.iter):
                self._stop(runner, self._signal, runner.iter)

    def after_val_epoch(self, runner, metrics=None) -> None:
        """Stop after a validation, unless the training is over anyway."""
        number = self._received()
        if number and runner.iter < runner.max_iters:
            self._stop(runner, number, runner.iter)

    def after_run(self, runner) -> None:
        """Restore the handlers."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def _note(self, number: int, frame: Any) -> None:
        """Note the first signal; end the process on a second one."""
        now = time.monotonic()
        if not self._signal:
            self._signal, self._since = number, now
        elif now - self._since >= SAME:
            signal.signal(number, self._previous[number])
            signal.raise_signal(number)

    def _received(self) -> int:
        """Return a signal that any process has got, the same one in all."""
        if self._group is None:
            return self._signal
        number = torch.tensor(self._signal)
        distributed.all_reduce(
            number, distributed.ReduceOp.MAX, group=self._group
        )
        return int(number)

    def _stop(self, runner, number: int, iteration: int) -> None:
        """Save and exit."""
        saver = _saver(runner)
        saved = 'nothing of it was saved: the config has no SafeCheckpointHook'
        if saver is not None:
            path = saver.save_stopped(runner, runner.epoch, iteration)
            saved = f"it is saved in '{path}', from which --resume goes on"
        # A launcher kills the others as soon as one has exited.
        barrier()
        if is_main_process():
            name = signal.Signals(number).name
            print(
                f'The training was stopped by {name} after iteration '
                f'{iteration} of {runner.max_iters}, and {saved}.',
                file=sys.stderr,
            )
        raise SystemExit(128 + number)


def _saver(runner) -> Optional[SafeCheckpointHook]:
    """Find the hook that saves the training."""
    hooks = (h for h in runner.hooks if isinstance(h, SafeCheckpointHook))
    return next(hooks, None)


def spare_worker(init: Optional[Callable], number: int) -> None:
    """Initialize a data loader's worker that only its training ends.

    A terminal and a cluster send signals to all processes, and the training
    needs the worker to finish its iteration.

    Args:
        init (Callable, optional): The loader's own ``worker_init_fn``.
        number (int): The worker's number.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, 'sigwaitinfo'):  # not on macOS
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        threading.Thread(target=_heed_parent, daemon=True).start()
    if init is not None:
        init(number)


def _heed_parent() -> None:
    """End this process when its parent tells it to."""
    while signal.sigwaitinfo([signal.SIGTERM]).si_pid != os.getppid():
        pass
    os._exit(0)
