"""The pictures of an analysis, of small and large networks: no text lies
over another."""

import itertools

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from mmrazor_lakd.analysis.figures import (
    choose_classes,
    draw_gains,
    draw_matrices,
    draw_modules,
)

LABELS = ['lakd_resnet110_resnet32_1xb64_cifar10 without cuts', 'KD', 'alone']


def names(count):
    """Blocks of three stages."""
    per_stage = count // 3
    return [
        f'backbone.layer{stage}.{block}'
        for stage in (1, 2, 3)
        for block in range(per_stage)
    ]


def modules(students):
    """Three modules of each student."""
    generator = np.random.default_rng(0)
    return [
        dict(
            student=student,
            module=stage,
            cka=generator.uniform(0.6, 1),
            ndam_r=generator.uniform(-0.3, 1),
            probe_student=generator.random(),
            probe_teacher=generator.random(),
        )
        for student in students
        for stage in (1, 2, 3)
    ]


def overlaps(figure):
    """Pairs of visible texts that cover each other by more than a pixel."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    boxes, unseen = [], set()
    for panel in figure.axes:  # ticks beyond the limits are not drawn
        for axis in (panel.xaxis, panel.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in axis.get_major_ticks():
                if not low <= tick.get_loc() <= high:
                    unseen |= {tick.label1, tick.label2}
    for text in figure.findobj(Text):
        shown = text.get_visible() and text.get_text().strip()
        if shown and text not in unseen:
            box = text.get_window_extent(renderer)
            if figure.bbox.overlaps(box):
                boxes.append((text.get_text(), box))
    return [
        (a, b)
        for (a, first), (b, second) in itertools.combinations(boxes, 2)
        if min(first.x1, second.x1) - max(first.x0, second.x0) > 1
        and min(first.y1, second.y1) - max(first.y0, second.y0) > 1
    ]


@pytest.mark.parametrize(
    'rows, columns, students',
    [(3, 9, LABELS), (15, 54, LABELS[:2]), (3, 3, LABELS[1:2])],
)
def test_matrices(tmp_path, rows, columns, students):
    generator = np.random.default_rng(0)
    matrices = [
        dict(
            student=student,
            rows=names(rows),
            columns=names(columns),
            ends=[
                [i * rows // 3 - 1, i * columns // 3 - 1] for i in (1, 2, 3)
            ],
            cka=generator.random((rows, columns)).tolist(),
        )
        for student in students
    ]
    figure = draw_matrices(tmp_path / 'x.png', matrices)
    found = overlaps(figure)
    assert found == [], found
    panels = figure.axes[: len(students)]
    for panel, matrix in zip(panels, matrices):
        image = panel.images[0]
        assert (image.get_clim(), len(panel.patches)) == ((0, 1), 2 * 3)
        np.testing.assert_allclose(image.get_array(), matrix['cka'])


@pytest.mark.parametrize(
    'students, probed',
    [
        (LABELS[1:2], True),
        (LABELS, False),
        (LABELS * 2, True),
        (LABELS * 3, False),
    ],
)
def test_modules(tmp_path, students, probed):
    students = [f'{label} {i}' for i, label in enumerate(students)]
    rows = modules(students)
    if not probed:
        for row in rows:
            row['probe_student'] = row['probe_teacher'] = None
    figure = draw_modules(tmp_path / 'x.png', rows)
    found = overlaps(figure)
    assert found == [], found
    assert len(figure.axes) == (3 if probed else 2)
    lines = figure.axes[-1].lines
    assert len(lines) == len(students) + probed
    # Told apart without colours.
    looks = {(line.get_marker(), line.get_linestyle()) for line in lines}
    assert len(looks) == len(lines)
    for panel in figure.axes:
        low, high = panel.get_ylim()
        for line in panel.lines:
            assert low < min(line.get_ydata()) <= max(line.get_ydata()) < high


@pytest.mark.parametrize(
    'classes, others', [(2, LABELS[1:2]), (10, LABELS[:2]), (100, LABELS[:2])]
)
def test_gains(tmp_path, classes, others):
    generator = np.random.default_rng(0)
    rows = [
        dict(
            against=other,
            label=f'class {label}',
            gain=gain,
            only_model=100,
            only_other=88,
            p=0.01,
        )
        for other in others
        for label, gain in enumerate(generator.normal(0, 0.1, classes))
    ]
    figure = draw_gains(tmp_path / 'x.png', LABELS[0], rows)
    found = overlaps(figure)
    assert found == [], found
    shown = [bar.get_width() for bar in figure.axes[0].patches]
    gains = sorted((100 * r['gain'] for r in rows[:classes]), reverse=True)
    if classes > 20:
        gains = gains[:10] + gains[-10:]
    assert shown == pytest.approx(gains)
    assert len(choose_classes(rows[:classes])) == min(classes, 20)


def test_no_class_gained(tmp_path):
    row = dict(against='alone', label='a', gain=0, only_model=0, only_other=0)
    figure = draw_gains(tmp_path / 'x.png', 'KD', [dict(row, p=1.0)])
    found = overlaps(figure)
    assert found == [], found


def test_no_correlation(tmp_path):
    """All maps are 2x2: NDAM is the same in all places."""
    rows = [dict(row, ndam_r=float('nan')) for row in modules(LABELS)]
    figure = draw_modules(tmp_path / 'x.png', rows)
    assert overlaps(figure) == []
    # The CKA from 0.6 on fill their panel, and the 1 is on it.
    low, high = figure.axes[0].get_ylim()
    assert 0.4 <= low < 0.65 and high > 1
