"""The figure of one image: the networks' NDAM maps and predictions."""

from typing import Dict, NamedTuple, Sequence

import numpy as np
import torch
from matplotlib.figure import Figure

from ..analysis import map_correlation
from ..analysis.map_figures import DIFFERENCE_COLORS, draw_overlay
from ..analysis.module_ends import ModuleEnd
from .canvas import (
    CELL,
    GAP,
    HEADER,
    MARGIN,
    ROW_TITLE,
    draw_map_bars,
    draw_predictions,
    elide,
    make_cells,
    name_class,
    write,
)
from .ndam_maps import Attention, match_map
from .samples import Sample

LEFT = dict(loc='left', parse_math=False)
# Inches.
BARS = 1.6
NAME = 0.45
FOOTER = 0.45
# Maximum width of a figure with several modules; further ones go below.
WIDEST = 16
FOOTNOTE = (
    'Maps: NDAM, where the features are active. Each module has one colour '
    'scale for all networks.\n'
    'r: correlation of the two maps over the positions.'
)
SCORES_FOOTNOTE = ' Blue bar: the true class.'


class Sheet(NamedTuple):
    """All networks' maps and predictions for one image.

    Attributes:
        sample (Sample): The image.
        attention (dict): Maps and scores by network label, for this image
            only; the teacher first.
    """

    sample: Sample
    attention: Dict[str, Attention]

    @property
    def teacher(self) -> Attention:
        """The first network's maps and scores."""
        return next(iter(self.attention.values()))

    @property
    def has_scores(self) -> bool:
        """Whether all networks are classifiers."""
        return all(own.scores is not None for own in self.attention.values())

    @property
    def students(self) -> Dict[str, Attention]:
        """The other networks' maps and scores."""
        return dict(list(self.attention.items())[1:])

    def difference(self, label: str, module: int) -> np.ndarray:
        """Return a student's map minus the teacher's, of the latter's size."""
        return self._matched(label, module) - self.teacher.maps[module][0]

    def correlation(self, label: str, module: int) -> float:
        """Return the correlation of these two maps; nan if one is constant."""
        student = torch.from_numpy(self._matched(label, module))
        teacher = torch.from_numpy(self.teacher.maps[module])
        return map_correlation(student[None], teacher).item()

    def _matched(self, label: str, module: int) -> np.ndarray:
        """Return a student's map, (H, W), in the teacher's size."""
        student = self.attention[label].maps[module]
        return match_map(student, self.teacher.maps[module])[0]


def draw_sheet(
    sheet: Sheet, ends: Sequence[ModuleEnd], classes: Sequence[str]
) -> Figure:
    """Draw an image, and for each module all networks' maps and differences.

    Args:
        sheet (Sheet): The networks' maps and predictions.
        ends (Sequence[ModuleEnd]): The modules.
        classes (Sequence[str]): Names of the classes, possibly empty.

    Returns:
        Figure: A row for each network, two columns for each module.
    """
    height, width = sheet.sample.image.shape[:2]
    cell = CELL * min(max(width / height, 0.6), 2.0)
    left = cell + BARS + GAP + 2 * MARGIN
    group = 2 * cell + GAP + 2 * MARGIN
    lines = -(-len(ends) // max(1, int((WIDEST - left) / group)))
    columns = -(-len(ends) // lines)
    body = lines * (HEADER + len(sheet.attention) * (CELL + ROW_TITLE))
    figure = Figure((left + columns * group, NAME + body + FOOTER))
    top, middle, bottom = figure.subfigures(
        3, 1, height_ratios=(NAME, body, FOOTER)
    )
    name = elide(sheet.sample.name, 44, end=8)
    write(top, MARGIN, name, fontsize=11, weight='bold')
    footnote = FOOTNOTE + (SCORES_FOOTNOTE if sheet.has_scores else '')
    write(bottom, 0.05, footnote, fontsize=8, color='0.35')
    widths = [left] + columns * [group]
    parts = middle.subfigures(
        lines, len(widths), squeeze=False, width_ratios=widths
    )
    for line, (part, *_) in enumerate(parts):
        axes = make_cells(part, len(sheet.attention), [cell, BARS])
        if line == 0:
            truth = name_class(sheet.sample.label, classes)
            axes[0, 0].imshow(sheet.sample.image, interpolation='nearest')
            if sheet.has_scores:
                axes[0, 0].set_title(
                    f'true class\n{elide(truth, int(cell / 0.08))}',
                    y=0,
                    pad=-24,
                    fontsize=8.5,
                    **LEFT,
                )
        for axis, (label, own) in zip(axes[:, 1], sheet.attention.items()):
            label = elide(label, 19, end=3)
            axis.set_title(label, weight='bold', fontsize=9.5, **LEFT)
            if line == 0 and sheet.has_scores:
                draw_predictions(
                    axis, own.scores[0], sheet.sample.label, classes
                )
    for module, (end, part) in enumerate(zip(ends, parts[:, 1:].flat)):
        _draw_module(part, sheet, end, module, cell)
    return figure


def _draw_module(part, sheet, end, module: int, cell: float) -> None:
    """Draw one module's maps, differences and colour bars."""
    write(part, 0, elide(end.title, 28), fontsize=10, weight='bold')
    described = elide(end.describe(), int((2 * cell + GAP) / 0.063))
    write(part, 0.19, described, fontsize=8, color='0.35')
    high = max(own.maps[module].max() for own in sheet.attention.values())
    differences = [sheet.difference(label, module) for label in sheet.students]
    # Differences of equal maps are only rounding.
    spread = max(0.05, np.abs(differences).max())
    axes = make_cells(part, len(sheet.attention), [cell, cell])
    image = sheet.sample.image
    for axis, own in zip(axes[:, 0], sheet.attention.values()):
        shown = draw_overlay(axis, image, own.maps[module][0], (0, high))
    for axis, label, values in zip(axes[1:, 1], sheet.students, differences):
        difference = draw_overlay(
            axis, image, values, (-spread, spread), DIFFERENCE_COLORS
        )
        r = sheet.correlation(label, module)
        title = 'a flat map' if np.isnan(r) else f'r = {r:.2f}'
        axis.set_title(title, fontsize=8.5, pad=3)
    ticks = [0, 1] + ([high] if high >= 1.5 else [])
    bars = (
        (shown, 'map, 1 = its mean', ticks),
        (difference, 'student − teacher', [-spread, 0, spread]),
    )
    draw_map_bars(part, axes[0, 1], bars)
