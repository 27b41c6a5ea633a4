"""Measures what the training of one config costs in time and memory.

As a program, started by tools/analyze_cost.py for each config, it takes the
settings file and the file to write.
"""

import copy
import json
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from inspect import signature
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional

import torch
from mmengine.config import Config, ConfigDict
from mmengine.device import get_device
from mmengine.hooks import Hook
from mmengine.registry import DATA_SAMPLERS
from mmengine.runner import Runner

from ...cli import (
    hide_upstream_notices,
    load_config,
    run_tool,
)
from ...config_check.first_iteration import check_batches, explained
from ...config_check.kinds import class_of
from ...errors import SettingError
from ...provenance import describe_machine
from .bare_loop import BareLoop
from .last_phase import last_phase
from .step_memory import measure_memory
from .synthetic_data import replace_train_data
from .table import step_peak


class _Measured(Exception):
    """Ends the training once everything is measured."""


class CostHook(Hook):
    """Measures rounds of the training, alternating with the bare loop.

    It runs after all other hooks, so that a round, which begins and ends with
    it, consists of whole iterations: data loading, training step and all
    hooks. Since they alternate, changes in the machine's speed and load affect
    a round and its bare loop alike.

    Args:
        bare_loop (BareLoop): The bare loop.
        rounds (int): How many rounds to measure.
        steps (int): How many iterations a round has.
        warmup (int): How many unmeasured iterations to run first.
        settle (int): How many iterations to skip after each pause, in which
            the loader's workers could run ahead.
        report (Callable): Called with a line for each round.
    """

    priority = 'LOWEST'

    def __init__(
        self,
        bare_loop: BareLoop,
        rounds: int,
        steps: int,
        warmup: int,
        settle: int,
        report: Callable[[str], None],
    ) -> None:
        self.bare_loop = bare_loop
        self.rounds = rounds
        self.steps = steps
        self.warmup = warmup
        self.settle = settle
        self.report = report
        self.step_ms: List[float] = []
        self.floor_ms: List[float] = []

    def before_train(self, runner) -> None:
        """Start the generator, which continues after each iteration."""
        self._script = self._measure(runner)
        next(self._script)

    def after_train_iter(
        self, runner, batch_idx, data_batch=None, outputs=None
    ) -> None:
        """Continue the measurement until it is done."""
        self._data_batch = data_batch
        if next(self._script, 'done') == 'done':
            raise _Measured

    def _measure(self, runner) -> Iterator[None]:
        """Measure; each ``yield`` lets the training run one iteration."""
        for _ in range(self.warmup):
            yield
        self.batch = copy.deepcopy(self._data_batch)
        self.bare_loop.prepare(
            runner.model,
            runner.optim_wrapper,
            runner.model.data_preprocessor(copy.deepcopy(self.batch), True),
        )
        self.layers = self.bare_loop.describe()
        for _ in range(self.warmup):
            self.bare_loop.step()
        for number in range(1, self.rounds + 1):
            for _ in range(self.settle):
                yield
            begin = now()
            for _ in range(self.steps):
                yield
            self.step_ms.append((now() - begin) * 1e3 / self.steps)
            begin = now()
            for _ in range(self.steps):
                self.bare_loop.step()
            self.floor_ms.append((now() - begin) * 1e3 / self.steps)
            self.report(
                f'round {number} of {self.rounds}: {self.step_ms[-1]:.1f} ms '
                f'a step, {self.floor_ms[-1]:.1f} ms the bare loop'
            )


def now() -> float:
    """Return the time in seconds, once all work started so far is done."""
    if get_device() == 'cuda':
        torch.cuda.synchronize()
    return time.perf_counter()


@dataclass(frozen=True)
class CostSettings:
    """What to measure, and how.

    Attributes:
        config (str): Path of the config.
        options (dict): Settings that override it.
        work_dir (str): Folder for the logs.
        batch_size (int, optional): Replaces the config's.
        synthetic_data (bool): Whether to train on random images.
        image_size (int, optional): Their height and width.
        rounds (int): See :class:`CostHook`.
        steps (int): Likewise.
        warmup (int): Likewise.
        log_level (str, optional): Replaces the config's.
    """

    config: str
    options: Dict[str, Any]
    work_dir: str
    batch_size: Optional[int] = None
    synthetic_data: bool = False
    image_size: Optional[int] = None
    rounds: int = 5
    steps: int = 10
    warmup: int = 3
    log_level: Optional[str] = None

    def load(self) -> Config:
        """Read the config; see :func:`load_training`."""
        return load_training(self.config, self.options, self.work_dir)


def measure_cost(
    settings: CostSettings,
    report: Callable[[str], None] = lambda line: print(line, flush=True),
) -> Dict[str, Any]:
    """Measure one config.

    Args:
        settings (CostSettings): What to measure.
        report (Callable): Called with a line for each round. Defaults to
            printing it.

    Returns:
        dict: Input for :mod:`mmrazor_lakd.benchmark.cost.report`. Times in
        milliseconds, one per round; memory in bytes.

    Raises:
        SettingError: If the config can't be trained or measured.
    """
    cfg = settings.load()
    # Before its first update an optimizer has no state.
    counts = cfg.optim_wrapper.get('accumulative_counts', 1)
    settings = replace(settings, warmup=max(settings.warmup, counts))
    notes = _adapt(cfg, settings)
    with explained(cfg) as first_iteration, suppress(_Measured):
        runner = Runner.from_cfg(cfg)
        runner.register_hook(first_iteration)
        hide_upstream_notices()
        hook = CostHook(
            bare_loop=BareLoop(runner.model),
            rounds=settings.rounds,
            steps=settings.steps,
            warmup=settings.warmup,
            settle=count_settling(cfg.train_dataloader),
            report=report,
        )
        runner.register_hook(hook)
        check_batches('train_dataloader', runner.train_dataloader)
        runner.train()
    inputs = hook.bare_loop.inputs
    del hook.bare_loop
    # The copy of an EMAHook rests, too.
    averaged = [h.ema_model for h in runner.hooks if hasattr(h, 'ema_model')]
    training = (runner.model, runner.optim_wrapper, hook.batch, averaged)
    memory = measure_memory(*training)
    with last_phase(runner) as differs:
        if differs:
            last = measure_memory(*training)
            if step_peak(last) > step_peak(memory):
                memory = last
                notes.append(f'memory of its end, {differs}')
    return dict(
        batch_size=len(inputs),
        images=tuple(inputs.shape),
        workers=cfg.train_dataloader.get('num_workers', 0),
        step_ms=hook.step_ms,
        floor_ms=hook.floor_ms,
        floor=hook.layers,
        memory=memory,
        notes=notes,
    )


def count_settling(loader: Dict[str, Any]) -> int:
    """Count the iterations after a pause that aren't representative.

    That is the number of batches that workers prefetch meanwhile, or, without
    workers, one, in which the caches fill again.
    """
    workers = loader.get('num_workers', 0)
    return max(1, workers * (loader.get('prefetch_factor') or 2))


def load_training(
    path: str,
    options: Optional[Dict[str, Any]] = None,
    work_dir: Optional[str] = None,
) -> Config:
    """Read a training config.

    Args:
        path (str): See :func:`load_config`.
        options (dict, optional): Likewise.
        work_dir (str, optional): Likewise.

    Raises:
        SettingError: If there is no such config, or it trains nothing.
    """
    cfg = load_config(path, options, work_dir)
    needed = ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper')
    missing = [name for name in needed if cfg.get(name) is None]
    if missing:
        raise SettingError(
            f"The config '{path}' trains nothing, since it lacks "
            f'{", ".join(missing)}; give one that tools/train.py takes.'
        )
    return cfg


def _adapt(cfg: Config, settings: CostSettings) -> List[str]:
    """Reduce a config to the bare training.

    Returns:
        list[str]: Notes for a reader of the figures.
    """
    notes = []
    # Weights don't affect the cost.
    if cfg.model.get('teacher_ckpt'):
        cfg.model.teacher_ckpt = None
        notes.append('a teacher of random weights')
    # With such a teacher a training may diverge.
    optimizer = cfg.optim_wrapper.get('optimizer') or {}
    if 'lr' in optimizer:
        optimizer['lr'] = 0.0
    if settings.log_level:
        cfg.log_level = settings.log_level
    cfg.resume, cfg.load_from = False, None
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.test_cfg = cfg.test_dataloader = cfg.test_evaluator = None
    cfg.setdefault('default_hooks', {})['checkpoint'] = None
    if settings.batch_size:
        cfg.train_dataloader.batch_size = settings.batch_size
    # A smaller last batch would count as a full step.
    _drop_last(cfg.train_dataloader)
    if settings.synthetic_data:
        notes.append(replace_train_data(cfg, settings.image_size))
    # Long enough even if an epoch is one iteration, and never shorter than
    # before.
    settle = count_settling(cfg.train_dataloader)
    iterations = settings.warmup + settings.rounds * (settings.steps + settle)
    for key in ('max_epochs', 'max_iters'):
        if cfg.train_cfg.get(key) is not None:
            cfg.train_cfg[key] = max(cfg.train_cfg[key], iterations)
    return notes


def _drop_last(loader: ConfigDict) -> None:
    """Leave out a smaller last batch, also one that a batch sampler makes."""
    batches = loader.get('batch_sampler')
    if not batches:
        loader.drop_last = True
        return
    kind = class_of(batches.type, DATA_SAMPLERS)
    if kind and 'drop_last' in signature(kind).parameters:
        batches.drop_last = True


def main() -> None:
    """Read the settings, measure, write the result."""
    settings, result = map(Path, sys.argv[1:])
    found = measure_cost(CostSettings(**json.loads(settings.read_text())))
    found['machine'] = describe_machine()
    result.write_text(json.dumps(found))


if __name__ == '__main__':
    run_tool(main)
