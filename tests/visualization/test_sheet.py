"""The pictures: what they show, on which scale, and that nothing overlaps."""

from itertools import combinations

import numpy as np
import pytest
import torch
from bad_images import photo
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.image import AxesImage
from slow_maps import slow_correlation

from mmrazor_lakd.analysis import ModuleEnd
from mmrazor_lakd.analysis.map_figures import (
    DIFFERENCE_COLORS,
    MAP_COLORS,
)
from mmrazor_lakd.visualization.canvas import elide, name_class
from mmrazor_lakd.visualization.image_table import ImageTable
from mmrazor_lakd.visualization.ndam_maps import Attention
from mmrazor_lakd.visualization.overview import draw_overview
from mmrazor_lakd.visualization.samples import Sample
from mmrazor_lakd.visualization.sheet import Sheet, draw_sheet

LONG = 'a class whose name is long enough to fill a line, and more'
CLASSES = ['tench, Tinca tinca', LONG, *map(str, range(8))]


def make_sheet(
    labels=('teacher', 'lakd'), num_modules=3, shape=(32, 32), name='test 1',
    truth=0, t_sizes=(32, 16, 8), s_sizes=(32, 16, 8), seed=0,
):  # fmt: skip
    rng = np.random.default_rng(seed)
    attention = {}
    for place, label in enumerate(labels):
        sizes = s_sizes if place else t_sizes
        maps = [
            rng.gamma(4, size=(1, sizes[i % 3], sizes[i % 3])).astype('f4')
            for i in range(num_modules)
        ]
        maps = [values / values.mean() for values in maps]
        attention[label] = Attention(
            maps, rng.dirichlet(np.full(10, 0.3))[None]
        )
    image = np.asarray(photo(shape[1], shape[0]))
    return Sheet(Sample(name, torch.zeros(1), image, truth, []), attention)


def ends(number):
    return [
        ModuleEnd(
            f'backbone.layer{place}.0',
            f'backbone.layer{place}.11',
            f'module {place}',
        )
        for place in range(1, number + 1)
    ]


def overlays(figure, colors):
    """The maps in a figure, in the order in which they were drawn."""
    return [
        image
        for axis in figure.axes
        for image in axis.get_children()
        if isinstance(image, AxesImage) and image.get_cmap().name == colors
    ]


def test_every_map_is_drawn_as_it_is_on_its_modules_scale():
    sheet = make_sheet(('teacher', 'lakd', 'kd'), s_sizes=(16, 16, 4))
    figure = draw_sheet(sheet, ends(3), CLASSES)
    shown = overlays(figure, MAP_COLORS)
    differences = overlays(figure, DIFFERENCE_COLORS)
    assert len(shown) == 9 and len(differences) == 6
    for module in range(3):
        group = shown[3 * module : 3 * module + 3]
        for image, own in zip(group, sheet.attention.values()):
            assert (image.get_array() == own.maps[module][0]).all()
        limits = {image.get_clim() for image in group}
        high = max(own.maps[module].max() for own in sheet.attention.values())
        assert limits == {(0, high)}
        group = differences[2 * module : 2 * module + 2]
        teacher = sheet.teacher.maps[module][0]
        spread = 0
        for image, label in zip(group, ('lakd', 'kd')):
            student = sheet.attention[label].maps[module][0]
            if module == 2:  # smaller than the teacher's
                torch_map = torch.from_numpy(student)[None, None]
                student = torch.nn.functional.interpolate(
                    torch_map, size=(8, 8), mode='bilinear'
                )[0, 0].numpy()
            elif module == 0:
                torch_map = torch.from_numpy(student)[None, None]
                student = torch.nn.functional.interpolate(
                    torch_map, size=(32, 32), mode='bilinear'
                )[0, 0].numpy()
            np.testing.assert_allclose(
                image.get_array(), student - teacher, atol=1e-6
            )
            spread = max(spread, np.abs(student - teacher).max())
            assert sheet.correlation(label, module) == pytest.approx(
                slow_correlation(student, teacher), abs=1e-5
            )
        for image in group:
            assert image.get_clim() == pytest.approx((-spread, spread))


CASES = [
    dict(),
    dict(labels=('teacher', *'abcde', 'resnet8_1xb64_digits_and_more')),
    dict(num_modules=6, name='x' * 90 + '.png', truth=1),
    dict(num_modules=1, truth=None, name='cost_$5_$6 {x} \n [b].png'),
    dict(num_modules=5, shape=(32, 80), labels=('teacher', 'a $b$ _c')),
    dict(num_modules=2, shape=(90, 32)),
]


@pytest.mark.parametrize('case', CASES)
def test_nothing_overlaps_or_is_clipped(case):
    sheet = make_sheet(**case)
    number = case.get('num_modules', 3)
    _check_layout(draw_sheet(sheet, ends(number), CLASSES))
    if number < 4:
        rows = [sheet] * (4 if len(sheet.attention) > 3 else 1)
        _check_layout(draw_overview(rows, ends(number), CLASSES))


def _check_layout(figure):
    """All texts inside; no text on another, on a map, or on its bar's end."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.canvas.draw()
    texts = [text for text in _texts(figure) if text.get_text().strip()]
    assert len(texts) > 6
    boxes = [(t.get_text(), t.get_window_extent(renderer)) for t in texts]
    width, height = figure.bbox.size
    for text, box in boxes:
        assert box.x0 >= 0 and box.y0 >= 0, text
        assert box.x1 <= width and box.y1 <= height, text
    for (one, first), (other, second) in combinations(boxes, 2):
        assert not _overlap(first, second), (one, other)
    for axis in figure.axes:
        if not axis.images:
            continue
        for text, box in boxes:
            assert not _overlap(box, axis.get_window_extent(renderer)), text


def _written(figure):
    """What stands beside the axes, in the figure and in its parts."""
    parts = [text for part in figure.subfigs for text in _written(part)]
    return [*figure.texts, *parts]


def _texts(figure):
    """All that is written: those of axes without frame have no numbers."""
    texts = _written(figure)
    for axis in figure.axes:
        texts += [axis.title, axis._left_title, *axis.texts]
        for scale in (axis.xaxis, axis.yaxis) if axis.axison else ():
            low, high = sorted(scale.get_view_interval())
            texts += [scale.label] + [
                label
                for place, label in zip(
                    scale.get_ticklocs(), scale.get_ticklabels()
                )
                if low <= place <= high  # others are not drawn
            ]
    return texts


def _overlap(first, second):
    """Whether two boxes share more than a pixel's edge."""
    width = min(first.x1, second.x1) - max(first.x0, second.x0)
    height = min(first.y1, second.y1) - max(first.y0, second.y0)
    return width > 1 and height > 1


def test_texts():
    assert elide('short', 12) == 'short'
    assert elide('a very long name.png', 12, end=4) == 'a very….png'
    assert len(elide('x' * 99, 20)) == 20
    assert elide('a very long name', 10) == 'a very lo…'
    assert elide('two\nlines', 20) == 'two?lines'
    assert name_class(0, CLASSES) == 'tench'
    assert name_class(3, []) == 'class 3'
    assert name_class(None, CLASSES) == 'not known'


def test_flat_maps_have_no_correlation():
    sheet = make_sheet()
    for own in sheet.attention.values():
        own.maps[1][:] = 1
    figure = draw_sheet(sheet, ends(3), CLASSES)
    texts = [text.get_text() for text in _texts(figure)]
    assert texts.count('a flat map') == 1
    table = ImageTable(ends(3), CLASSES)
    table.update(sheet, 'a')
    values = [row['correlation'] for row in table.correlations]
    assert np.isnan(values[1]) and not np.isnan(values[::2]).any()
