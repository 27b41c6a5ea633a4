"""One picture of several images: a row an image."""

from typing import Sequence

from matplotlib.figure import Figure

from .boundaries import Boundary
from .canvas import elide, name_class
from .map_figures import plot_ndam_maps
from .sheet import Sheet

# Inches.
CELL = 1.0
LABELS = 1.9
BAR = 0.9
HEADER = 0.7


def draw_overview(
    sheets: Sequence[Sheet],
    boundaries: Sequence[Boundary],
    classes: Sequence[str],
) -> Figure:
    """Draw all networks' maps of several images.

    Args:
        sheets (Sequence[Sheet]): The images, at least one.
        boundaries (Sequence[Boundary]): The modules.
        classes (Sequence[str]): Names of the classes, or none.
    """
    labels = list(sheets[0].looks)
    modules = {
        boundary.title: {
            elide(label, 12, end=3): [
                sheet.looks[label].maps[index][0] for sheet in sheets
            ]
            for label in labels
        }
        for index, boundary in enumerate(boundaries)
    }
    columns = 1 + len(boundaries) * (len(labels) + 0.25)
    height, width = sheets[0].sample.image.shape[:2]
    cell = CELL * min(max(width / height, 0.6), 2.0)
    figure = Figure(
        figsize=(LABELS + columns * cell + BAR, HEADER + len(sheets) * CELL),
        layout='constrained',
    )
    plot_ndam_maps(
        figure,
        [sheet.sample.image for sheet in sheets],
        modules,
        row_labels=[_describe(sheet, classes) for sheet in sheets],
        overlay=True,
    )
    return figure


def _describe(sheet: Sheet, classes: Sequence[str]) -> str:
    """Say what an image is, and what is predicted."""
    lines = [elide(sheet.sample.name, 22, end=6)]
    if sheet.sample.label is not None:
        truth = elide(name_class(sheet.sample.label, classes), 16)
        lines.append(f'true: {truth}')
    for label, look in sheet.looks.items():
        predicted = name_class(int(look.scores[0].argmax()), classes)
        lines.append(f'{elide(label, 10, end=3)}: {elide(predicted, 14)}')
    return '\n'.join(lines)
