"""Figures of what configs cost: bars, and memory over a step."""

import math
from pathlib import Path
from typing import Any, Dict, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ...plotting import BLUE, GREEN, GREY, ORANGE, SKY_BLUE, literal_text, wrap
from .memory_trace import CATEGORIES
from .table import loop_ratios, step_peak

MIB = 2**20
# From the bottom up.
COLORS = {
    'student': BLUE,
    'teacher': ORANGE,
    'losses': GREEN,
    'other': GREY,
}
# Drawn behind the areas, so that it doesn't change their colours.
MARK = dict(facecolor='#D8D8D8', linewidth=0, zorder=0)


@literal_text
def draw_bars(path: Path, results: Sequence[Dict[str, Any]]) -> None:
    """Draw peak memory, and time over the bare loop, as a bar per config.

    Args:
        path (Path): The file to write.
        results (Sequence[dict]): As :func:`make_rows` takes them.
    """
    labels = [wrap(result['label'], 34) for result in results]
    lines = sum(max(2, label.count('\n') + 1) for label in labels)
    figure = Figure(figsize=(12, 1.8 + 0.24 * lines), layout='constrained')
    left, right = figure.subplots(1, 2, sharey=True)
    places = np.arange(len(results))

    begin = np.zeros(len(results))
    for category, color in COLORS.items():
        sizes = [r['memory']['at_peak'][category] / MIB for r in results]
        bars = left.barh(
            places, sizes, 0.7, begin, color=color, label=category
        )
        begin += sizes
    peaks = [step_peak(result['memory']) / MIB for result in results]
    written = [f'{peak:,.1f}' for peak in peaks]
    left.bar_label(bars, written, padding=4, fontsize=9)
    left.set_xlim(0, 1.16 * max(*begin, *peaks))
    left.set_yticks(places, labels, fontsize=9)
    left.margins(y=0.02)
    left.invert_yaxis()
    left.set_xlabel("MiB above the resting state, at the step's peak")
    left.set_title('Peak memory of a training step', fontsize=11)

    ratios = [loop_ratios(result) for result in results]
    middle = np.array([np.median(ratio) for ratio in ratios])
    low = np.array([min(ratio) for ratio in ratios])
    high = np.array([max(ratio) for ratio in ratios])
    spread = [middle - low, high - middle]
    bars = right.barh(
        places, middle, 0.7, color=SKY_BLUE, xerr=spread, capsize=3
    )
    written = [
        f'{ratio:.2f}   {np.median(result["step_ms"]):,.1f} ms'
        for ratio, result in zip(middle, results)
    ]
    white = dict(facecolor='white', linewidth=0, pad=1)
    right.bar_label(bars, written, padding=5, fontsize=9, bbox=white)
    right.axvline(1, color='black', linestyle='--', linewidth=1)
    right.set_xlim(0, 1.32 * high.max())
    right.set_xlabel("step time / the bare loop's (dashed: 1), and step time")
    right.set_title('Time of a training step', fontsize=11)

    for axis in (left, right):
        axis.spines[['top', 'right']].set_visible(False)
    figure.legend(
        handles=[Patch(color=c, label=name) for name, c in COLORS.items()],
        loc='outside lower left',
        ncols=len(COLORS),
        frameon=False,
    )
    figure.savefig(path, dpi=110)


@literal_text
def draw_memory_over_time(
    path: Path, results: Sequence[Dict[str, Any]]
) -> None:
    """Draw each config's memory over one step, on one scale.

    Args:
        path (Path): The file to write.
        results (Sequence[dict]): As :func:`make_rows` takes them.
    """
    columns = min(len(results), 2 if len(results) in (2, 4) else 3)
    rows = math.ceil(len(results) / columns)
    figure = Figure(
        figsize=(max(6, 4.3 * columns), 0.9 + 2.9 * rows),
        layout='constrained',
    )
    axes = figure.subplots(
        rows, columns, sharex=True, sharey=True, squeeze=False
    )
    marked = False
    for axis, result in zip(axes.flat, results):
        memory = result['memory']
        live = np.array(memory['live']) / MIB
        axis.stackplot(
            # until the step's end
            np.append(memory['times'], 1.0),
            [np.append(live[:, CATEGORIES.index(name)], 0) for name in COLORS],
            colors=list(COLORS.values()),
            step='post',
            linewidth=0,
        )
        for name, begin, end in memory['backwards']:
            marked = True
            axis.axvspan(begin, end, **MARK)
            axis.text(
                (begin + end) / 2,
                0.985,
                name[len('module') :] if name.startswith('module') else name,
                transform=axis.get_xaxis_transform(),
                ha='center',
                va='top',
                fontsize=9,
            )
        axis.axhline(
            memory['peak'] / MIB, color='black', linestyle=':', linewidth=1
        )
        axis.set_title(
            f'{wrap(result["label"], 40)}\npeak {memory["peak"] / MIB:,.1f} '
            f'MiB',
            fontsize=9,
        )
    for axis in axes.flat[len(results) :]:
        axis.set_axis_off()
    highest = max(result['memory']['peak'] for result in results) / MIB
    axes[0, 0].set_ylim(0, 1.16 * highest)
    axes[0, 0].set_xlim(0, 1)
    figure.supylabel('MiB above the resting state', fontsize=10)
    figure.supxlabel('time in the traced step, as a fraction', fontsize=10)
    handles = [Patch(color=c, label=name) for name, c in COLORS.items()]
    if marked:
        handles.append(Patch(label="module N's early backward", **MARK))
    figure.legend(
        handles=handles,
        loc='outside upper center',
        ncols=len(handles),
        frameon=False,
    )
    figure.savefig(path, dpi=110)
