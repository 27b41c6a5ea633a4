"""Figures of a suite's results."""

from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple

import numpy as np
import pandas
from matplotlib.figure import Figure

from ...plotting import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY_BLUE,
    VERMILION,
    WINE,
    line_style,
    literal_text,
)
from .table import seed_columns

# LAKD and its variants ("LAKD, pooled") have their own colour.
COLORS = (GREY, BLACK, ORANGE, SKY_BLUE, GREEN, WINE, BLUE, PURPLE)
EMPHASIS = VERMILION
EMPHASISED = 'LAKD'
MARKERS = 'os^Dv<>Pd*X'
# Curves of more methods can't be told apart; then only the best and the worst,
# up to this many, get a colour.
MOST_CURVES = 2 * len(COLORS)
ENDS = 5


def is_variant(method: str) -> bool:
    """Check whether a method is LAKD with another setting."""
    return method.startswith(f'{EMPHASISED}, ')


def style(methods: Sequence[str], method: str) -> Dict[str, Any]:
    """Return a method's style among all, the same in all figures."""
    if method == EMPHASISED:
        return dict(color=EMPHASIS, linestyle='-', marker='o')
    number = methods.index(method)
    if is_variant(method):
        # All have one colour, so that their markers must differ.
        number = list(filter(is_variant, methods)).index(method)
        line = line_style(EMPHASIS, again=True)
    else:
        color = COLORS[number % len(COLORS)]
        line = line_style(color, again=number >= len(COLORS))
    return dict(line, marker=MARKERS[number % len(MARKERS)])


def make_figure(names: Iterable[str]) -> Figure:
    """Make a figure with room for a legend beside it."""
    longest = max(map(len, names), default=0)
    size = (7.8 + 0.08 * longest, 5)
    return Figure(figsize=size, layout='constrained')


@literal_text
def draw_accuracies(
    path: Path,
    table: pandas.DataFrame,
    title: str,
    teacher: Optional[float],
) -> None:
    """Draw each method's last accuracy: seeds, mean and standard deviation.

    Args:
        path (Path): The file to write.
        table (DataFrame): One pair's rows of :func:`make_table`.
        title (str): Title of the figure.
        teacher (float, optional): The teacher's accuracy in %.
    """
    rows = table[table['seeds'] > 0].sort_values('last', kind='stable')
    figure = Figure(figsize=(8, 1.6 + 0.36 * len(rows)), layout='constrained')
    axis = figure.subplots()
    for place, row in enumerate(rows.to_dict('records')):
        method = row['method']
        lakd = method == EMPHASISED or is_variant(method)
        color = EMPHASIS if lakd else BLUE
        seeds = [row[name] for name in seed_columns(rows)]
        seeds = [value for value in seeds if value is not None]
        axis.plot(
            seeds, [place] * len(seeds), 'o', color=color, alpha=0.35, ms=6
        )
        axis.errorbar(
            row['last'],
            place,
            xerr=row['std'],
            fmt='|',
            color=color,
            ms=16,
            mew=2.5,
            capsize=4,
        )
        axis.annotate(
            f'{row["last"]:.2f}',
            (1.01, place),
            xycoords=axis.get_yaxis_transform(),
            va='center',
            fontsize=10,
        )
    axis.set_yticks(range(len(rows)), rows['method'])
    axis.set_ylim(-0.6, len(rows) - 0.4)
    axis.grid(axis='x', color='#DDDDDD')
    axis.set_axisbelow(True)
    axis.spines[['top', 'right']].set_visible(False)
    axis.set_xlabel(
        'top-1 accuracy after the last epoch, %\n'
        '(dots: seeds; bar: mean; whiskers: standard deviation)'
    )
    above = '' if teacher is None else f'\nteacher: {teacher:.2f} %'
    # over the whole figure: with long names the axes are too narrow for it
    figure.suptitle(f'{title}{above}', fontsize=11)
    figure.savefig(path, dpi=110)


def choose_curves(last: Dict[str, float]) -> List[str]:
    """Choose the methods whose curves get a colour and a name.

    Args:
        last (dict[str, float]): Last accuracy by method, in the suite's order.

    Returns:
        list[str]: In the same order: all, or LAKD and the best and worst if
        there are too many.
    """
    if len(last) <= MOST_CURVES:
        return list(last)
    ranked = sorted(last, key=last.__getitem__)
    chosen = {EMPHASISED, *ranked[:ENDS], *ranked[-ENDS:]}
    return [method for method in last if method in chosen]


def mean_curves(
    results: Sequence[Dict[str, Any]],
    methods: Sequence[str],
    step_ms: Optional[Dict[str, float]],
    same_as: Dict[str, str],
) -> Tuple[Dict[str, np.ndarray], Dict[str, float]]:
    """Compute each method's mean accuracy over the epochs.

    Args:
        results (Sequence[dict]): See :func:`draw_curves`, as the others.
        methods (Sequence[str]): Likewise.
        step_ms (dict, optional): Likewise.
        same_as (dict): Likewise.

    Returns:
        tuple: Accuracies by method, and minutes of an epoch by method, which
        are empty without ``step_ms``.
    """
    means: Dict[str, np.ndarray] = {}
    minutes: Dict[str, float] = {}
    for method in methods:
        trained = same_as.get(method, method)
        runs = [r for r in results if r['method'] == trained]
        if runs and (step_ms is None or method in step_ms):
            means[method] = np.mean([run['top1'] for run in runs], axis=0)
            if step_ms is not None:
                minutes[method] = (
                    runs[0]['iterations'] * step_ms[method] / 60e3
                )
    return means, minutes


@literal_text
def draw_curves(
    path: Path,
    results: Sequence[Dict[str, Any]],
    methods: Sequence[str],
    title: str,
    step_ms: Optional[Dict[str, float]] = None,
    same_as: Optional[Dict[str, str]] = None,
) -> None:
    """Draw the mean accuracy of the seeds over epochs, or over time.

    Args:
        path (Path): The file to write.
        results (Sequence[dict]): Of one pair's students.
        methods (Sequence[str]): All methods of the suite, which determine the
            colours.
        title (str): Title of the figure.
        step_ms (dict, optional): Time of a training step by method, in
            milliseconds, for the horizontal axis. Defaults to None: epochs.
        same_as (dict, optional): Methods that have the accuracy of another
            one, whose name it is. Defaults to None.
    """
    means, minutes = mean_curves(results, methods, step_ms, same_as or {})
    named = choose_curves({m: mean[-1] for m, mean in means.items()})
    figure = make_figure(named)
    axis = figure.subplots()
    # The colours are those of the other figures, if there are enough.
    order = list(methods) if len(named) == len(means) else named
    others = f'{len(means) - len(named)} others, in between'
    for method, mean in means.items():
        places = np.arange(1, len(mean) + 1) * minutes.get(method, 1.0)
        if method not in named:
            axis.plot(
                places, mean, color='#CCCCCC', lw=0.8, zorder=1, label=others
            )
            others = '_'  # hides the line from the legend
            continue
        emphasised = method == EMPHASISED
        axis.plot(
            places,
            mean,
            **style(order, method),
            label=f'{method} ({mean[-1]:.2f})',
            linewidth=2.6 if emphasised else 1.4,
            markersize=5 if len(mean) < 30 else 0,
            zorder=3 if emphasised else 2,
        )
    axis.grid(color='#DDDDDD')
    axis.spines[['top', 'right']].set_visible(False)
    axis.set_ylabel('top-1 accuracy, %, mean of the seeds')
    if step_ms is None:
        axis.set_xlabel('epoch')
        axis.xaxis.get_major_locator().set_params(integer=True)
    else:
        axis.set_xlabel(
            'time of the training steps, minutes (measured step time x steps)'
        )
    axis.set_title(title, fontsize=11)
    figure.legend(loc='outside right upper', frameon=False)
    figure.savefig(path, dpi=110)


def choose_points(rows: Sequence[Dict[str, Any]], reference: str) -> List[str]:
    """Choose the methods whose points get a marker and a name of their own.

    Args:
        rows (Sequence[dict]): Each with ``method``, ``last`` and ``memory``.
        reference (str): The method whose memory is 1.

    Returns:
        list[str]: In the same order: all, or if there are too many LAKD and
        its variants, the reference, the best and the worst, and those that
        take the most memory.
    """
    names = [row['method'] for row in rows]
    if len(rows) <= MOST_CURVES:
        return names
    ranked = sorted(rows, key=lambda row: row['last'])
    heavy = sorted(rows, key=lambda row: row['memory'])
    chosen = {
        row['method']
        for row in (*ranked[:2], *ranked[-ENDS:], *heavy[-2 * ENDS :])
    }
    chosen |= {EMPHASISED, reference}
    return [name for name in names if name in chosen or is_variant(name)]


def lowest_shown(values: Sequence[float]) -> float:
    """Return the lower end of an axis that shows most values apart.

    A few far below the others would press these together. Theirs is the end
    that lies as far below the median as thrice the best lies above it.
    """
    if len(values) <= MOST_CURVES:
        return min(values, default=0.0)
    middle = float(np.median(values))
    return middle - 3 * (max(values) - middle)


@literal_text
def draw_peak_memory(
    path: Path,
    table: pandas.DataFrame,
    methods: Sequence[str],
    reference: str,
    title: str,
) -> None:
    """Draw accuracy against the peak memory of a training step.

    Args:
        path (Path): The file to write.
        table (DataFrame): One pair's rows of :func:`make_table`, with
            ``memory``.
        methods (Sequence[str]): All methods, which determine the colours.
        reference (str): The method whose memory is 1.
        title (str): Title of the figure.
    """
    rows = [
        row
        for row in table.to_dict('records')
        if row['last'] is not None and row['memory'] is not None
    ]
    named = choose_points(rows, reference)
    floor = lowest_shown([row['last'] for row in rows])
    figure = make_figure(named)
    axis = figure.subplots()
    others = f'{len(rows) - len(named)} others'
    for row in rows:
        method, value = row['method'], row['last']
        place = row['memory'], max(value, floor)
        if method not in named:
            axis.plot(*place, 'o', color='#CCCCCC', zorder=1, label=others)
            others = '_'  # hides the point from the legend
            continue
        marking = style(methods, method)
        below = f' ({value:.1f}, below)' if value < floor else ''
        axis.errorbar(
            *place,
            yerr=None if below else row['std'],
            **{**marking, 'linestyle': 'none'},
            markersize=11 if method == EMPHASISED else 8,
            capsize=3,
            label=f'{method}{below}',
        )
    axis.grid(color='#DDDDDD')
    axis.set_axisbelow(True)
    axis.spines[['top', 'right']].set_visible(False)
    axis.set_xlabel(f'peak memory of a training step / that of {reference}')
    axis.set_ylabel('top-1 accuracy after the last epoch, %')
    axis.set_title(title, fontsize=11)
    figure.legend(loc='outside right upper', frameon=False)
    figure.savefig(path, dpi=110)
