"""Measures the memory of a real training step, and that held in between."""

import copy
import gc
from contextlib import contextmanager
from typing import Any, Dict, Iterator, List, Sequence

import torch
from mmengine.device import get_device
from torch import nn
from torch.profiler import record_function

from .memory_trace import CATEGORIES, TRACED, trace_memory


def measure_memory(
    model: nn.Module,
    optim_wrapper,
    data_batch: Dict,
    averaged: Sequence[nn.Module] = (),
) -> Dict[str, Any]:
    """Measure the memory of a training step.

    Args:
        model (nn.Module): Already trained, so that the optimizer's state
            exists.
        optim_wrapper (OptimWrapper): The training's.
        data_batch (dict): As the data loader yields it.
        averaged (Sequence[nn.Module]): Averaged copies of the model, which
            are kept as well. Defaults to none.

    Returns:
        dict: In bytes: ``resting`` (weights, their averages, buffers,
        gradients and optimizer's state before the step), ``peak`` (of the
        step, above the resting state), ``at_peak`` (each category's share of
        it), ``highest`` (each category's own maximum). Also ``times``,
        ``live`` and ``backwards`` as in :class:`MemoryTrace`, and on a GPU
        ``allocated`` and ``reserved``, the allocator's own peaks.
    """
    device = 'cuda' if get_device() == 'cuda' else 'cpu'
    batches: List[Dict] = []

    def step():
        model.train_step(batches.pop(), optim_wrapper)

    def prepare(steps: int) -> None:
        """Make some steps possible, the last of which updates the weights."""
        for _ in range(steps_to_update(optim_wrapper, steps)):
            batches.append(copy.deepcopy(data_batch))
            step()
        batches.extend(copy.deepcopy(data_batch) for _ in range(steps))

    found: Dict[str, Any] = {}
    prepare(1 if device == 'cuda' else TRACED)
    gc.collect()  # reference cycles must not be freed in the trace
    resting = resting_bytes(model, optim_wrapper.optimizer, averaged)
    if device == 'cuda':
        torch.cuda.empty_cache()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        step()
        found['allocated'] = torch.cuda.max_memory_allocated()
        found['reserved'] = torch.cuda.max_memory_reserved()
        found['allocated_above_rest'] = found['allocated'] - before
        prepare(TRACED)
    with annotate_step(model, optim_wrapper):
        trace = trace_memory(step, device)
    thin = trace.thinned()
    return dict(
        found,
        device=device,
        resting=resting,
        peak=trace.peak,
        at_peak=trace.at_peak(),
        highest={name: trace.highest(name) for name in CATEGORIES},
        times=thin.times.round(5).tolist(),
        live=thin.live.tolist(),
        backwards=trace.backwards,
    )


def steps_to_update(optim_wrapper, ahead: int) -> int:
    """Count the steps to make until some later one updates the weights.

    Args:
        optim_wrapper (OptimWrapper): Whose steps may accumulate gradients.
        ahead (int): Which step is to update: 1 for the next after these.
    """
    counts = getattr(optim_wrapper, '_accumulative_counts', 1)
    return -(getattr(optim_wrapper, '_inner_count', 0) + ahead) % counts


def resting_bytes(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    averaged: Sequence[nn.Module] = (),
) -> int:
    """Sum the bytes held between two steps, each tensor once."""
    networks = [model, *averaged]
    # A frozen teacher need not be one of the model's own modules.
    if isinstance(getattr(model, 'teacher', None), nn.Module):
        networks.append(model.teacher)
    tensors = [
        tensor
        for network in networks
        for tensor in (*network.parameters(), *network.buffers())
    ]
    tensors += [t.grad for t in tensors if t.grad is not None]
    tensors += [
        value
        for state in optimizer.state.values()
        for value in state.values()
        if isinstance(value, torch.Tensor)
    ]
    unique = {t.data_ptr(): t.numel() * t.element_size() for t in tensors}
    return sum(unique.values())


@contextmanager
def annotate_step(model: nn.Module, optim_wrapper) -> Iterator[None]:
    """Open a range around each part of ``model.train_step``.

    Args:
        model (nn.Module): An algorithm of MMRazor's with a teacher and an
            architecture, or a model without a teacher, which is then the
            student.
        optim_wrapper (OptimWrapper): The argument of the step.
    """
    parts = {
        'cost/teacher': getattr(model, 'teacher', None),
        'cost/student': getattr(model, 'architecture', model),
        'cost/data': model.data_preprocessor,
    }
    handles = []
    for name, module in parts.items():
        if module is not None:
            handles += _annotate_forward(module, name)
    for method, name in (
        ('backward', 'cost/backward'),
        ('step', 'cost/optimizer'),
        ('zero_grad', 'cost/optimizer'),
    ):
        # shadows the class's method until it is deleted
        setattr(
            optim_wrapper,
            method,
            record_function(name)(getattr(optim_wrapper, method)),
        )
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        for method in ('backward', 'step', 'zero_grad'):
            delattr(optim_wrapper, method)


def _annotate_forward(module: nn.Module, name: str) -> List:
    """Open a range around each forward pass of a module."""
    opened = []

    def enter(module, inputs):
        opened.append(record_function(name))
        opened[-1].__enter__()

    def leave(module, inputs, output):
        opened.pop().__exit__(None, None, None)

    return [
        module.register_forward_pre_hook(enter),
        module.register_forward_hook(leave),
    ]
