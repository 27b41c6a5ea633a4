"""Which part of a training step holds how much memory, and when.

PyTorch's profiler notes every allocation and release of a tensor's memory,
to the byte. Named ranges around the parts of the step say whose they are.
"""

import warnings
from typing import Callable, Dict, Iterator, List, NamedTuple, Tuple

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile, record_function

from ...errors import SettingError

#: To whom memory can belong: who allocated it, whoever releases it.
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
    """The memory of one step, of which the resting state is no part.

    Attributes:
        times (np.ndarray): When each allocation or release happened, as a
            fraction of the step, shape (E,). The first is 0: what was left
            over from the step before.
        live (np.ndarray): Bytes that live from then on, shape (E, 4), one
            column for each of :data:`CATEGORIES`.
        backwards (list[tuple[str, float, float]]): Name, begin and end of
            each early backward, as fractions of the step.
    """

    times: np.ndarray
    live: np.ndarray
    backwards: List[Tuple[str, float, float]]

    @property
    def peak(self) -> int:
        """The most bytes that live at one time."""
        return int(self.live.sum(1).max())

    def at_peak(self) -> Dict[str, int]:
        """Bytes of each category at the moment of the peak."""
        moment = self.live[self.live.sum(1).argmax()]
        return dict(zip(CATEGORIES, moment.tolist()))

    def highest(self, category: str) -> int:
        """The most bytes of one category alone, whenever that is."""
        return int(self.live[:, CATEGORIES.index(category)].max())

    def thinned(self, points: int = 500) -> 'MemoryTrace':
        """Keep the highest moment of each of so many spans of time."""
        total = self.live.sum(1)
        spans = np.minimum((self.times * points).astype(int), points - 1)
        # ordered by span, and within a span by height: its last is highest
        order = np.lexsort((total, spans))
        last = np.flatnonzero(np.diff(spans[order], append=points))
        kept = np.sort(order[last])
        return self._replace(times=self.times[kept], live=self.live[kept])


def trace_memory(step: Callable[[], None], device: str) -> MemoryTrace:
    """Run a step twice and trace the second time.

    What the first run leaves behind and the second one releases, such as
    maps in MMRazor's recorders, is thereby known, and counted until then.

    Args:
        step (Callable): What to trace. Ranges of ``record_function`` in it
            tell the owners: those that :func:`annotate_step` opens, and
            those of a distiller, whose names begin with ``'lakd/'``.
        device (str): ``'cpu'`` or ``'cuda'``; other memory is not traced.

    Raises:
        SettingError: If this PyTorch doesn't tell what was allocated.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', 'Warning: Profiler clears events')
        with profile(
            activities=[ProfilerActivity.CPU], profile_memory=True
        ) as profiler:
            for _ in range(2):
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
    """Give the events of a tree; recursion could be too deep for Python."""
    stack = list(roots)
    while stack:
        event = stack.pop()
        stack.extend(event.children)
        yield event


def _owner(name: str) -> str:
    """Say to which category a range's memory belongs."""
    if name in _OWNERS:
        return _OWNERS[name]
    return 'student' if name.endswith('.backward') else 'losses'


def _make_trace(allocations: List, ranges: List) -> MemoryTrace:
    """Add up allocations and releases in the order of time.

    The owner is the innermost range that is open at that time, in whatever
    thread: on a GPU a backward runs in a thread of its own, while the one
    that opened the range waits.
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
            # Sorted by their begins, so the last one that is open is innermost
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
        elif memory.ptr in living:  # else it is older than the trace
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
