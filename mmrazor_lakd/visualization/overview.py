"""One figure of several images, a row each."""

from typing import Sequence

from matplotlib.figure import Figure

from ..analysis.map_figures import plot_ndam_maps
from ..analysis.module_ends import ModuleEnd
from .canvas import elide, name_class
from .sheet import Sheet

# Inches.
CELL = 1.0
LETTER = 0.075
LINE = 0.16
BAR = 0.9
HEADER = 0.7


def draw_overview(
    sheets: Sequence[Sheet],
    ends: Sequence[ModuleEnd],
    classes: Sequence[str],
) -> Figure:
    """Draw all networks' maps of several images.

    Args:
        sheets (Sequence[Sheet]): The images, at least one.
        ends (Sequence[ModuleEnd]): The modules.
        classes (Sequence[str]): Names of the classes, possibly empty.
    """
    labels = list(sheets[0].attention)
    titles = [elide(label, 12, end=3) for label in labels]
    if len(set(titles)) < len(labels):  # elided to equal titles
        titles = [f'{n}: {title}' for n, title in enumerate(titles, 1)]
    modules = {
        end.title: {
            title: [sheet.attention[label].maps[index][0] for sheet in sheets]
            for title, label in zip(titles, labels)
        }
        for index, end in enumerate(ends)
    }
    columns = 1 + len(ends) * (len(labels) + 0.25)
    shape = sheets[0].sample.image.shape
    cell = CELL * min(max(shape[1] / shape[0], 0.6), 2.0)
    texts = [_describe(sheet, classes) for sheet in sheets]
    lines = [line for text in texts for line in text.split('\n')]
    room = 0.15 + LETTER * max(map(len, lines))
    row = max(CELL, LINE * (len(lines) / len(texts)))
    width = room + columns * cell + BAR
    figure = Figure(
        figsize=(width, HEADER + len(sheets) * row), layout='constrained'
    )
    left = room / width
    figure.get_layout_engine().set(rect=(left, 0, 1 - left, 1))
    plot_ndam_maps(
        figure,
        [sheet.sample.image for sheet in sheets],
        modules,
        row_labels=texts,
        overlay=True,
    )
    return figure


def _describe(sheet: Sheet, classes: Sequence[str]) -> str:
    """Describe an image's class and the predictions."""
    lines = [elide(sheet.sample.name, 22, end=6)]
    if sheet.sample.label is not None:
        truth = elide(name_class(sheet.sample.label, classes), 16)
        lines.append(f'true: {truth}')
    for label, own in sheet.attention.items() if sheet.has_scores else ():
        predicted = name_class(int(own.scores[0].argmax()), classes)
        lines.append(f'{elide(label, 10, end=3)}: {elide(predicted, 14)}')
    return '\n'.join(lines)
