"""Traced memory against sums made by hand, of tensors of known sizes."""

import torch
from mmengine.optim import OptimWrapper
from torch import nn
from torch.nn import functional
from torch.profiler import record_function

from mmrazor_lakd.benchmark.cost.memory_trace import trace_memory
from mmrazor_lakd.benchmark.cost.step_memory import (
    annotate_step,
    resting_bytes,
)

KIB = 1024


def kib(count):
    """A new tensor of so many KiB."""
    return torch.empty(count * KIB, dtype=torch.uint8)


def in_kib(sizes):
    """Round: with PyTorch 1.13 a range itself takes some bytes."""
    if isinstance(sizes, dict):
        return {name: round(size / KIB) for name, size in sizes.items()}
    return round(sizes / KIB)


def test_known_tensors():
    def step():
        with record_function('cost/teacher'):
            kept = kib(100)
            passing = kib(300)
            del passing
        with record_function('cost/student'):
            graph = kib(200)
            with record_function('lakd/module1.loss'):
                loss = kib(50)
            with record_function('lakd/module1.backward'):
                gradient = kib(30)
            more = kib(10)
        del loss  # released elsewhere than where it was allocated
        with record_function('cost/optimizer'):
            state = kib(5)
        last = kib(1)
        del kept, graph, gradient, more, state, last

    trace = trace_memory(step, 'cpu')
    # In KiB, in order; the peak is the teacher's.
    total = [in_kib(size) for size in trace.live.sum(1)]
    changes = [b for a, b in zip([None, *total], total) if a != b]
    assert changes[:7] == [0, 100, 400, 100, 300, 350, 380]
    assert changes[7:11] == [390, 340, 345, 346]
    assert changes[-1] == 0
    assert in_kib(trace.peak) == 400
    assert in_kib(trace.at_peak()) == dict(
        teacher=400, student=0, losses=0, other=0
    )
    assert in_kib(trace.highest('teacher')) == 400
    assert in_kib(trace.highest('student')) == 200 + 30 + 10
    # at the end, what is in no range of its own
    assert in_kib(trace.highest('losses')) == 50
    assert in_kib(trace.highest('other')) == 5
    ((name, begin, end),) = trace.backwards
    assert name == 'module1' and 0 < begin < end < 1


def test_what_is_in_no_range_is_the_losses():
    def step():
        with record_function('cost/student'):
            kib(3)
        kib(7)

    trace = trace_memory(step, 'cpu')
    assert in_kib(trace.at_peak()) == dict(
        teacher=0, student=0, losses=7, other=0
    )


def test_what_the_step_before_left_counts_until_it_is_released():
    kept = []

    def step():
        with record_function('cost/teacher'):
            kib(3)
        kept.clear()
        with record_function('cost/student'):
            kept.append(kib(70))

    trace = trace_memory(step, 'cpu')
    assert trace.times[0] == 0
    assert [in_kib(size) for size in trace.live[0]] == [0, 70, 0, 0]
    assert in_kib(trace.at_peak()) == dict(
        teacher=3, student=70, losses=0, other=0
    )


def test_memory_older_than_the_trace_rests():
    old = [kib(500)]

    def step():
        kib(20)
        old.clear()

    trace = trace_memory(step, 'cpu')
    assert in_kib(trace.peak) == 20
    assert trace.live.min() == 0


def test_thinning_keeps_the_peak():
    def step():
        with record_function('cost/student'):
            kept = [kib(1 + number) for number in range(200)]
        kib(300)
        del kept

    trace = trace_memory(step, 'cpu')
    thin = trace.thinned(20)
    assert in_kib(trace.peak) == 200 * 201 // 2 + 300
    assert (thin.peak, thin.at_peak()) == (trace.peak, trace.at_peak())
    assert len(thin.times) == len(thin.live) <= 20 < len(trace.times)
    assert (thin.times[1:] > thin.times[:-1]).all()


class Algorithm(nn.Module):
    """A distillation in which every size is known: 1000 images, width 100."""

    def __init__(self):
        super().__init__()
        self.data_preprocessor = Copy()
        self.architecture = nn.Sequential(
            nn.Linear(100, 100, bias=False), nn.Sigmoid()
        )
        # as FrozenTeacherDistill has it: no submodule
        self.__dict__['teacher'] = nn.Linear(100, 100, bias=False)

    def train_step(self, data, optim_wrapper):
        inputs = self.data_preprocessor(data)
        with torch.no_grad():
            known = self.teacher(inputs)
        output = self.architecture(inputs)
        loss = functional.mse_loss(output, known, reduction='none').sum()
        optim_wrapper.update_params(loss)


class Copy(nn.Module):
    def forward(self, data):
        return data.clone()


def test_owners_in_a_training_step():
    model = Algorithm()
    wrapper = OptimWrapper(
        torch.optim.SGD(model.architecture.parameters(), 0.1, momentum=0.9)
    )
    data = torch.randn(1000, 100)
    model.train_step(data, wrapper)
    with annotate_step(model, wrapper):
        trace = trace_memory(lambda: model.train_step(data, wrapper), 'cpu')
    size, weights = 1000 * 100 * 4, 100 * 100 * 4
    # Maps are of one size. The losses' is the squared differences. Of the
    # student there are, when most: its output, kept for the sigmoid's
    # backward pass, and the gradients before and behind the sigmoid. Scalars,
    # and what ranges take with PyTorch 1.13, are below 1 KiB.
    maps = {
        name: round(trace.highest(name) / size, 2)
        for name in ('teacher', 'student', 'losses', 'other')
    }
    assert maps == dict(teacher=1, student=3, losses=1, other=1)
    # All of these at once, but for the squared differences.
    assert 0 <= trace.peak - 5 * size < KIB
    assert 0 <= trace.at_peak()['student'] - 3 * size < KIB
    # The ranges are gone again.
    assert 'backward' not in vars(wrapper) and 'step' not in vars(wrapper)
    assert not model.teacher._forward_hooks
    # weights of both networks and the momentum; gradients are released
    resting = resting_bytes(model, wrapper.optimizer)
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    assert resting == weights * (3 + len(gradients))
    # what a weight shares is counted once
    model.shared = model.architecture[0]
    assert resting_bytes(model, wrapper.optimizer) == resting
