"""The picture of one image: where teacher and students look, and what for."""

from typing import Dict, NamedTuple, Sequence

import numpy as np
import torch
from matplotlib.figure import Figure

from ..analysis import map_correlation
from ..analysis.map_figures import DIFFERENCE_COLORS, draw_overlay
from ..analysis.module_ends import ModuleEnd
from .canvas import (
    CELL,
    FOOTER,
    GAP,
    HEADER,
    MARGIN,
    Canvas,
    elide,
    name_class,
)
from .ndam_maps import Attention, match_map
from .samples import Sample

FOOTNOTE = (
    'Maps: NDAM, where the features are active. Each module has one colour '
    'scale for all networks.\n'
    'r: correlation of the two maps over the positions. Blue bar: the true '
    'class.'
)


class Sheet(NamedTuple):
    """What all networks show of one image.

    Attributes:
        sample (Sample): The image.
        attention (dict): For each network's label its maps and scores, of this
            image only; the teacher first.
    """

    sample: Sample
    attention: Dict[str, Attention]

    @property
    def teacher(self) -> Attention:
        """The first network's."""
        return next(iter(self.attention.values()))

    @property
    def students(self) -> Dict[str, Attention]:
        """All but the first network's."""
        return dict(list(self.attention.items())[1:])

    def difference(self, label: str, module: int) -> np.ndarray:
        """A student's map less the teacher's, in the teacher's size."""
        return self._matched(label, module) - self.teacher.maps[module][0]

    def correlation(self, label: str, module: int) -> float:
        """Of the same two maps; nan where one is flat."""
        student = torch.from_numpy(self._matched(label, module))
        teacher = torch.from_numpy(self.teacher.maps[module])
        return map_correlation(student[None], teacher).item()

    def _matched(self, label: str, module: int) -> np.ndarray:
        """A student's map, (H, W), in the teacher's size."""
        student = self.attention[label].maps[module]
        return match_map(student, self.teacher.maps[module])[0]


def draw_sheet(
    sheet: Sheet, ends: Sequence[ModuleEnd], classes: Sequence[str]
) -> Figure:
    """Draw an image, and for each module all networks' maps and differences.

    Args:
        sheet (Sheet): What the networks show.
        ends (Sequence[ModuleEnd]): The modules.
        classes (Sequence[str]): Names of the classes, or none.

    Returns:
        Figure: A row a network, two columns a module.
    """
    canvas = Canvas(sheet.sample.image.shape, len(ends), len(sheet.attention))
    canvas.text(
        MARGIN,
        MARGIN,
        elide(sheet.sample.name, 44, end=8),
        fontsize=11,
        weight='bold',
    )
    for number, band in enumerate(canvas.bands):
        for row, (label, own) in enumerate(sheet.attention.items()):
            canvas.draw_network(
                canvas.row_top(number, row),
                label,
                own.scores[0] if number == 0 else None,
                sheet.sample.label,
                classes,
            )
        for place, module in enumerate(band):
            _draw_module(canvas, sheet, ends[module], module, number, place)
    top = canvas.row_top(0, 0)
    canvas.axes(MARGIN, top, canvas.cell_width, CELL).imshow(
        sheet.sample.image, interpolation='nearest'
    )
    letters = int(canvas.cell_width / 0.08)
    truth = elide(name_class(sheet.sample.label, classes), letters)
    below = top + CELL + 0.06
    canvas.text(MARGIN, below, 'true class', fontsize=8, color='0.35')
    canvas.text(MARGIN, below + 0.15, truth, fontsize=9)
    canvas.text(
        MARGIN, canvas.height - FOOTER, FOOTNOTE, fontsize=8, color='0.35'
    )
    return canvas.figure


def _draw_module(canvas, sheet, end, module, band, place) -> None:
    """Draw one module's maps, differences and colour bars."""
    x = canvas.module_left(place)
    x_difference = x + canvas.cell_width + GAP
    top = canvas.row_top(band, 0)
    canvas.text(
        x,
        top - HEADER,
        elide(end.title, 28),
        fontsize=10,
        weight='bold',
    )
    width = int((2 * canvas.cell_width + GAP) / 0.063)
    canvas.text(
        x,
        top - HEADER + 0.19,
        elide(end.describe(), width),
        fontsize=8,
        color='0.35',
    )
    high = max(own.maps[module].max() for own in sheet.attention.values())
    spread = max(
        np.abs(sheet.difference(label, module)).max()
        for label in sheet.students
    )
    spread = max(spread, 0.05)  # of equal maps all is rounding
    for row, (label, own) in enumerate(sheet.attention.items()):
        y = canvas.row_top(band, row)
        axis = canvas.axes(x, y, canvas.cell_width, CELL)
        shown = draw_overlay(
            axis, sheet.sample.image, own.maps[module][0], (0, high)
        )
        if row == 0:
            continue
        axis = canvas.axes(x_difference, y, canvas.cell_width, CELL)
        difference = draw_overlay(
            axis,
            sheet.sample.image,
            sheet.difference(label, module),
            (-spread, spread),
            DIFFERENCE_COLORS,
        )
        r = sheet.correlation(label, module)
        canvas.text(
            x_difference + canvas.cell_width / 2,
            y - 0.18,
            'a flat map' if np.isnan(r) else f'r = {r:.2f}',
            fontsize=8.5,
            ha='center',
        )
    ticks = [0, 1] + ([high] if high >= 1.5 else [])
    canvas.draw_bar(shown, x_difference, top + 0.1, 'map, 1 = its mean', ticks)
    canvas.draw_bar(
        difference,
        x_difference,
        top + 0.75,
        'student − teacher',
        [-spread, 0, spread],
    )
