"""The cost table: its rows, and their format."""

from statistics import median
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple


class TableSection(NamedTuple):
    """A section of the table, narrow enough for a screen."""

    title: str
    columns: Tuple[str, ...]
    legend: str


TABLE_SECTIONS = (
    TableSection(
        'Time of a training step',
        ('step ms', 'spread', 'images/s', 'time/floor', 'time/reference'),
        'step ms: median over the rounds; spread: their minimum and maximum; '
        'time/floor: median over the rounds of the training over the bare '
        'loop; time/reference: the two time/floor, one over the other, or '
        'where their bare loops do different work (*) the two step ms.',
    ),
    TableSection(
        'Peak memory of a training step, above the resting state',
        (
            'peak MiB',
            'teacher',
            'student',
            'losses',
            'other',
            'peak/reference',
        ),
        'teacher, student, losses, other: who had allocated it, in MiB at the '
        "moment of the peak; peak/reference: the two steps' peaks, without "
        'their resting states.',
    ),
    TableSection(
        'Memory besides',
        (
            'resting MiB',
            'total/reference',
            'student graph max',
            'teacher max',
        ),
        'resting MiB: weights, buffers, gradients and optimizer state between '
        'two steps; total/reference: resting state and peak together, one '
        'over the other; student graph max, teacher max: the most MiB that '
        "are the student's or the teacher's, whenever that is.",
    ),
)


def step_peak(memory: Dict[str, Any]) -> int:
    """Return a step's peak above the resting state, in bytes.

    On a GPU this is the allocator's own figure, from a step without tracing.
    """
    return memory.get('allocated_above_rest', memory['peak'])


def loop_ratios(result: Dict[str, Any]) -> List[float]:
    """Return each round's time relative to its bare loop's."""
    return [t / f for t, f in zip(result['step_ms'], result['floor_ms'])]


def make_rows(
    results: Sequence[Dict[str, Any]], reference: Optional[Dict[str, Any]]
) -> List[Dict[str, Any]]:
    """Compute the table.

    Args:
        results (Sequence[dict]): Result of ``measure_cost`` for each config,
            with its ``label``.
        reference (dict, optional): The one that the others are compared with;
            None if it failed.

    Returns:
        list[dict]: A row per config, keyed by the names in
        :data:`TABLE_SECTIONS`, in milliseconds and MiB. ``same floor`` tells
        whether time/reference is a ratio of ratios to the bare loop.
    """
    mib = 2**20
    rows = []
    for result in results:
        memory, step_ms = result['memory'], result['step_ms']
        peak, resting = step_peak(memory), memory['resting']
        row = {
            'config': result['label'],
            'step ms': median(step_ms),
            'step ms min': min(step_ms),
            'step ms max': max(step_ms),
            'images/s': result['batch_size'] / median(step_ms) * 1e3,
            'floor ms': median(result['floor_ms']),
            'time/floor': median(loop_ratios(result)),
            'time/reference': None,
            'same floor': None,
            'peak MiB': peak / mib,
            **{k: v / mib for k, v in memory['at_peak'].items()},
            'peak/reference': None,
            'resting MiB': resting / mib,
            'total/reference': None,
            'student graph max': memory['highest']['student'] / mib,
            'teacher max': memory['highest']['teacher'] / mib,
        }
        if reference is not None:
            other = reference['memory']
            same = result['floor'] == reference['floor']
            row['same floor'] = same
            row['time/reference'] = (
                row['time/floor'] / median(loop_ratios(reference))
                if same
                else row['step ms'] / median(reference['step_ms'])
            )
            row['peak/reference'] = peak / step_peak(other)
            row['total/reference'] = (peak + resting) / (
                step_peak(other) + other['resting']
            )
        rows.append(row)
    return rows


def format_row(row: Dict[str, Any], columns: Sequence[str]) -> List[str]:
    """Format a row's values for the table."""
    cells = []
    for name in columns:
        value = row.get(name)
        if name == 'spread':
            low, high = row['step ms min'], row['step ms max']
            cells.append(f'{low:.1f}-{high:.1f}')
        elif value is None:
            cells.append('')
        elif name == 'images/s':
            cells.append(f'{value:,.0f}')
        elif '/' in name:
            mark = '*' if name == 'time/reference' else ''
            mark = '' if row['same floor'] else mark
            cells.append(f'{value:.3f}{mark}')
        else:
            cells.append(f'{value:,.1f}')
    return cells
