"""Memory of the parts of a training step over time.

PyTorch's profiler records every allocation and release of tensor memory, to
the byte. Named ranges around the parts of the step tell the owners.
"""

import warnings
from typing import Callable, Dict, Iterator, List, NamedTuple, Tuple

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile, record_function

from ...errors import SettingError

#: Owners of memory: the part that allocated it, whichever releases it.
CATEGORIES = ('teacher', 'student', 'losses', 'other')
STEP = 'cost/step'
_OWNERS = {
    'cost/teacher': 'teacher',
    'lakd/teacher': 'teacher',
    'cost/student': 'student',
    'cost/backward': 'student',
    'cost/data': 'other',
    'cost/optimizer': 'other',
    # what no other range covers: the distiller's losses, and their sum
    STEP: 'losses',
}


class MemoryTrace(NamedTuple):
    """The memory of one step, without the resting state.

    Attributes:
        times (np.ndarray): When each allocation or release happened, as a
            fraction of the step, shape (E,). The first is 0: what was left
            over from the previous step.
        live (np.ndarray): Bytes allocated from then on, shape (E, 4), one
            column for each of :data:`CATEGORIES`.
        backwards (list[tuple[str, float, float]]): Name, start and end of each
            early backward, as fractions of the step.
    """

    times: np.ndarray
    live: np.ndarray
    backwards: List[Tuple[str, float, float]]

    @property
    def peak(self) -> int:
        """int: Maximum of the allocated bytes."""
        return int(self.live.sum(1).max())

    def at_peak(self) -> Dict[str, int]:
        """Return the bytes of each category at the moment of the peak."""
        moment = self.live[self.live.sum(1).argmax()]
        return dict(zip(CATEGORIES, moment.tolist()))

    def highest(self, category: str) -> int:
        """Return the maximum of the bytes of one category alone."""
        return int(self.live[:, CATEGORIES.index(category)].max())

    def thinned(self, points: int = 500) -> 'MemoryTrace':
        """Keep the highest moment in each of ``points`` spans of time."""
        total = self.live.sum(1)
        spans = np.minimum((self.times * points).astype(int), points - 1)
        # ordered by span, and within a span by height: its last is highest
        order = np.lexsort((total, spans))
        last = np.flatnonzero(np.diff(spans[order], append=points))
        kept = np.sort(order[last])
        return self._replace(times=self.times[kept], live=self.live[kept])


#: runs of a step, of which the last one is traced
TRACED = 2


def trace_memory(step: Callable[[], None], device: str) -> MemoryTrace:
    """Run a step twice and trace the second run.

    This way, what the first run leaves behind and the second one releases,
    such as maps in MMRazor's recorders, is known, and counted until its
    release.

    Args:
        step (Callable): The step. Its ``record_function`` ranges tell the
            owners: those of :func:`annotate_step`, and those of a distiller,
            whose names begin with ``'lakd/'``.
        device (str): ``'cpu'`` or ``'cuda'``; other memory is not traced.

    Raises:
        SettingError: If this PyTorch version doesn't report allocations.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', 'Warning: Profiler clears events')
        with profile(
            activities=[ProfilerActivity.CPU], profile_memory=True
        ) as profiler:
            for _ in range(TRACED):
                with record_function(STEP):
                    step()
    results = profiler.profiler.kineto_results
    # Not part of PyTorch's stable interface, as the name says.
    if not hasattr(results, 'experimental_event_tree'):
        raise SettingError(
            f'The profiler of PyTorch {torch.__version__} does not tell '
            f'single allocations; 1.13, 2.12 and 2.13 were seen to do so.'
        )
    events = sorted(
        _walk(results.experimental_event_tree()), key=lambda e: e.start_time_ns
    )
    allocations = [
        event
        for event in events
        if event.tag.name == 'Allocation'
        and event.extra_fields.device.type == device
        and event.extra_fields.alloc_size != 0
    ]
    ranges = [e for e in events if e.name.startswith(('cost/', 'lakd/'))]
    if not allocations:
        raise SettingError(
            f'The profiler of PyTorch {torch.__version__} saw no memory on '
            f"'{device}'; memory can be traced on 'cpu' and 'cuda'."
        )
    return _make_trace(allocations, ranges)


def _walk(roots) -> Iterator:
    """Yield the events of a tree; recursion could be too deep for Python."""
    stack = list(roots)
    while stack:
        event = stack.pop()
        stack.extend(event.children)
        yield event


def _owner(name: str) -> str:
    """Return the category of a range's memory."""
    if name in _OWNERS:
        return _OWNERS[name]
    return 'student' if name.endswith('.backward') else 'losses'


def _make_trace(allocations: List, ranges: List) -> MemoryTrace:
    """Sum allocations and releases in chronological order.

    The owner is the innermost range open at that time, in any thread: on a GPU
    a backward pass runs in its own thread, while the one that opened the range
    waits.
    """
    begin, end = next(
        (r.start_time_ns, r.end_time_ns)
        for r in reversed(ranges)
        if r.name == STEP
    )
    living: Dict[int, Tuple[str, int]] = {}
    now = dict.fromkeys(CATEGORIES, 0)
    times, live = [0.0], [[0] * len(CATEGORIES)]
    for event in allocations:
        time, memory = event.start_time_ns, event.extra_fields
        if memory.alloc_size > 0:
            # Sorted by start, so the last one that is open is the innermost
            owner = next(
                (
                    _owner(r.name)
                    for r in reversed(ranges)
                    if r.start_time_ns <= time <= r.end_time_ns
                ),
                'other',
            )
            living[memory.ptr] = (owner, memory.alloc_size)
            now[owner] += memory.alloc_size
        elif memory.ptr in living:  # otherwise it is older than the trace
            owner, size = living.pop(memory.ptr)
            now[owner] -= size
        state = [now[category] for category in CATEGORIES]
        if time < begin:
            live[0] = state
        elif time <= end:
            times.append((time - begin) / (end - begin))
            live.append(state)
    backwards = [
        (
            r.name[len('lakd/') : -len('.backward')],
            (r.start_time_ns - begin) / (end - begin),
            (r.end_time_ns - begin) / (end - begin),
        )
        for r in ranges
        if r.name.startswith('lakd/')
        and r.name.endswith('.backward')
        and r.start_time_ns >= begin
    ]
    return MemoryTrace(np.array(times), np.array(live), backwards)
