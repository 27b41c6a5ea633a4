"""Figures of an analysis: CKA matrices, modules, classes."""

from pathlib import Path
from typing import Any, Dict, List, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..plotting import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    SKY_BLUE,
    VERMILION,
    line_style,
    literal_text,
    wrap,
)
from .module_ends import short_name

# The marker shapes distinguish the students without any colour.
TEACHER_STYLE = dict(color=BLACK, marker='X', markeredgecolor='white')
STUDENTS = [
    dict(color=BLUE, marker='o'),
    dict(color=ORANGE, marker='s'),
    dict(color=GREEN, marker='^'),
    dict(color=PURPLE, marker='D'),
    dict(color=SKY_BLUE, marker='v'),
    dict(color=VERMILION, marker='P'),
]
GAIN, LOSS = BLUE, ORANGE
# The number of classes that fit in a figure: the largest gains and losses.
MOST_CLASSES = 20
# The number of values that stay readable in a matrix.
MOST_VALUES = 200


def student_style(number: int) -> Dict[str, Any]:
    """Return the style of a student's line."""
    marking = STUDENTS[number % len(STUDENTS)]
    again = number >= len(STUDENTS)
    return dict(
        line_style(marking['color'], again),
        marker=marking['marker'],
        markeredgecolor=marking['color'] if again else 'white',
    )


@literal_text
def draw_matrices(path: Path, matrices: Sequence[Dict[str, Any]]) -> Figure:
    """Draw the CKA of all blocks of each student with all of the teacher's.

    Args:
        path (Path): The file to write.
        matrices (Sequence[dict]): ``matrices`` of ``Analysis.measure``.
    """
    columns = len(matrices[0]['columns'])
    cell = min(0.62, max(0.16, 9 / columns))
    heights = [max(1.0, cell * len(matrix['rows'])) for matrix in matrices]
    figure = Figure(
        figsize=(max(6.5, cell * columns + 2.6), sum(heights) * 1.05
                 + 1.15 * len(matrices) + 0.5),
        layout='constrained',
    )  # fmt: skip
    axes = figure.subplots(
        len(matrices),
        1,
        squeeze=False,
        gridspec_kw=dict(height_ratios=heights),
    )[:, 0]
    for axis, matrix in zip(axes, matrices):
        values = np.array(matrix['cka'], dtype=float)
        shown = axis.imshow(
            values, cmap='cividis', vmin=0, vmax=1, aspect='auto'
        )
        _set_names(axis, matrix)
        axis.set_title(f'Student: {wrap(matrix["student"], 60)}', fontsize=11)
        axis.set_ylabel('student')
        if values.size <= MOST_VALUES:
            for (row, column), value in np.ndenumerate(values):
                axis.text(
                    column,
                    row,
                    f'{value:.2f}',
                    ha='center',
                    va='center',
                    fontsize=8,
                    color='white' if value < 0.55 else 'black',
                )
        for row, column in matrix['ends']:
            _frame(axis, row, column)
    axes[-1].set_xlabel(
        'teacher (framed: the last blocks of a module)', fontsize=10
    )
    bar = figure.colorbar(shown, ax=axes, aspect=30, pad=0.02)
    bar.set_label('linear CKA\n(1: the same but for\nrotation and scale)')
    figure.savefig(path, dpi=110)
    return figure


def _set_names(axis, matrix) -> None:
    """Label the blocks, skipping some if there are many."""
    for set_ticks, names, room in (
        (axis.set_xticks, matrix['columns'], 28),
        (axis.set_yticks, matrix['rows'], 40),
    ):
        step = -(-len(names) // room)
        places = list(range(0, len(names), step))
        labels = [short_name(names[place]) for place in places]
        long = max(map(len, labels)) > 3 and set_ticks == axis.set_xticks
        set_ticks(
            places, labels, fontsize=8, **(dict(rotation=90) if long else {})
        )


def _frame(axis, row: int, column: int) -> None:
    """Frame a cell, visible on dark and on light colours."""
    for color, width in (('white', 3.2), ('black', 1.4)):
        axis.add_patch(
            Rectangle(
                (column - 0.44, row - 0.44),
                0.88,
                0.88,
                fill=False,
                edgecolor=color,
                linewidth=width,
            )
        )


@literal_text
def draw_modules(path: Path, modules: Sequence[Dict[str, Any]]) -> Figure:
    """Draw CKA, NDAM correlation and probes over the modules.

    Args:
        path (Path): The file to write.
        modules (Sequence[dict]): ``modules`` of ``Analysis.measure``.
    """
    panels = [
        ('cka', 'linear CKA with the teacher', 'Same content'),
        ('ndam_r', "correlation with the teacher's map", 'Same places (NDAM)'),
    ]
    probed = modules[0]['probe_student'] is not None
    if probed:
        panels.append(
            ('probe_student', 'linear probe, top-1 in %', 'What can be read')
        )
    students = list(dict.fromkeys(row['student'] for row in modules))
    figure = Figure(
        figsize=(3.9 * len(panels), 3.7 + 0.25 * len(students)),
        layout='constrained',
    )
    axes = figure.subplots(1, len(panels))
    for axis, (key, label, title) in zip(axes, panels):
        factor = 100 if key == 'probe_student' else 1
        lines = [
            (student, student_style(number), key)
            for number, student in enumerate(students)
        ]
        if factor == 100:
            lines.append((students[0], TEACHER_STYLE, 'probe_teacher'))
        for number, (student, style, column) in enumerate(lines):
            rows = [row for row in modules if row['student'] == student]
            # Side by side, so that equal values don't hide each other.
            shift = 0.09 * (number - (len(lines) - 1) / 2)
            axis.plot(
                [row['module'] + shift for row in rows],
                [factor * row[column] for row in rows],
                linewidth=1.2,
                markersize=7,
                label='teacher'
                if style is TEACHER_STYLE
                else wrap(student, 60),
                **style,
            )
        numbers = sorted({row['module'] for row in modules})
        axis.set_xticks(numbers)
        axis.set_xlim(numbers[0] - 0.5, numbers[-1] + 0.5)
        axis.set_ylim(
            factor
            * _low_end([line.get_ydata() for line in axis.lines], factor),
            factor * 1.03,
        )
        axis.set_xlabel('module')
        axis.set_ylabel(label)
        axis.set_title(title, fontsize=11)
        axis.grid(alpha=0.3)
        axis.spines[['top', 'right']].set_visible(False)
    handles, labels = axes[-1].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc='outside lower center',
        frameon=False,
        fontsize=9,
        handlelength=3.5,  # room for a dashed line beside its marker
    )
    figure.get_layout_engine().set(w_pad=0.12)
    figure.suptitle('Students and teacher at the ends of their modules')
    figure.savefig(path, dpi=110)
    return figure


def _low_end(lines: Sequence[Sequence[float]], factor: float) -> float:
    """Choose where a scale up to ``factor`` begins, as a fraction of it.

    At 0 or below, unless that would leave a third of it empty.
    """
    values = np.concatenate([np.asarray(line, float) for line in lines])
    values = values[np.isfinite(values)] / factor
    if not len(values):
        return -0.02
    low = np.floor(10 * values.min() - 0.2) / 10
    return low if low > 0.3 else min(low, -0.02)


@literal_text
def draw_gains(
    path: Path, student: str, gains: Sequence[Dict[str, Any]]
) -> Figure:
    """Draw which classes the student gained and lost against others.

    Args:
        path (Path): The file to write.
        student (str): What the student is called.
        gains (Sequence[dict]): ``gains`` of ``Analysis.measure``, at least
            one.
    """
    others = list(dict.fromkeys(row['against'] for row in gains))
    panels = [
        choose_classes([row for row in gains if row['against'] == other])
        for other in others
    ]
    lines = max(map(len, panels))
    figure = Figure(
        figsize=(max(6.0, 4.6 * len(panels)), 1.9 + 0.3 * lines),
        layout='constrained',
    )
    widest = max(abs(100 * row['gain']) for row in gains) or 1
    axes = figure.subplots(1, len(panels), sharex=True, squeeze=False)[0]
    for axis, other, rows in zip(axes, others, panels):
        values = [100 * row['gain'] for row in rows]
        places = range(len(rows))
        colors = [GAIN if value > 0 else LOSS for value in values]
        bars = axis.barh(places, values, 0.7, color=colors)
        written = [
            f'+{row["only_model"]} −{row["only_other"]}'
            + (' *' if row['p'] < 0.05 else '')
            for row in rows
        ]
        axis.bar_label(bars, written, padding=4, fontsize=8)
        axis.set_yticks(places, [row['label'] for row in rows], fontsize=9)
        axis.tick_params(axis='y', length=0)
        axis.invert_yaxis()
        axis.axvline(0, color='black', linewidth=0.8)
        axis.set_xlim(-1.8 * widest, 1.8 * widest)
        axis.set_title(f'against {wrap(other, 36)}', fontsize=11)
        axis.set_xlabel(
            'gain in points; +won −lost images; * p < 0.05', fontsize=9
        )
        axis.spines[['top', 'right', 'left']].set_visible(False)
    title = f'Classes that {wrap(student, 40)} gained and lost'
    if any(len(rows) < len(gains) / len(others) for rows in panels):
        title += f'\n(the {lines} most gained and most lost)'
    figure.suptitle(title)
    figure.savefig(path, dpi=110)
    return figure


def choose_classes(rows: Sequence[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """Sort classes by gain; if there are too many, keep both ends."""
    rows = sorted(rows, key=lambda row: -row['gain'])
    if len(rows) <= MOST_CLASSES:
        return rows
    half = MOST_CLASSES // 2
    return rows[:half] + rows[-half:]
