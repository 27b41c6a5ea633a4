"""Parts of an image's figure: cells, texts, bars."""

from typing import Optional, Sequence

import numpy as np
from matplotlib.figure import SubFigure

from ..analysis.map_figures import draw_bar
from ..plotting import SKY_BLUE

# Inches.
CELL = 1.35
GAP = 0.08
MARGIN = 0.15
HEADER = 0.45
ROW_TITLE = 0.23
BEST = 3  # classes
PLAIN, TRUE = '#D9D9D9', SKY_BLUE  # colours of the bars


def elide(text: str, length: int, end: int = 0) -> str:
    """Shorten a text that is too long, and drop unprintable characters.

    Args:
        text (str): The text.
        length (int): Maximum number of characters.
        end (int): How many of the last characters to keep. Defaults to 0.

    Examples:
        >>> elide('a very long name.png', 12, end=4)
        'a very….png'
    """
    text = ''.join(c if c.isprintable() else '?' for c in text)
    if len(text) <= length:
        return text
    return text[: length - 1 - end].rstrip() + '…' + text[len(text) - end :]


def name_class(index: Optional[int], classes: Sequence[str]) -> str:
    """Return the first name of a class, or its number if it has none."""
    if index is None:
        return 'not known'
    if not 0 <= index < len(classes):
        return f'class {index}'
    return classes[index].split(',')[0].strip()


def make_cells(part: SubFigure, rows: int, widths: Sequence[float]):
    """Divide a subfigure, below its header, into axes without frames.

    Args:
        part (SubFigure): As wide as the columns, their gaps and its margins.
        rows (int): Number of rows, each ``CELL`` high.
        widths (Sequence[float]): Widths of the columns, in inches.
    """
    width, height = part.bbox.size / part.dpi
    layout = dict(
        width_ratios=widths,
        left=MARGIN / width,
        right=1 - MARGIN / width,
        top=1 - HEADER / height,
        bottom=ROW_TITLE / height,
        wspace=GAP / np.mean(widths),
        hspace=ROW_TITLE / CELL,
    )
    axes = part.subplots(rows, len(widths), squeeze=False, gridspec_kw=layout)
    for axis in axes.flat:
        axis.set_axis_off()
    return axes


def write(part: SubFigure, top: float, text: str, **kwargs) -> None:
    """Write a text ``top`` inches below the top of a subfigure."""
    width, height = part.bbox.size / part.dpi
    x, y = MARGIN / width, 1 - top / height
    part.text(x, y, text, va='top', parse_math=False, **kwargs)


def draw_map_bars(part: SubFigure, cell, bars: Sequence) -> None:
    """Draw two horizontal colour bars in place of a cell.

    Args:
        part (SubFigure): The part.
        cell (Axes): The cell.
        bars (Sequence): The map, the title and the ticks of each.
    """
    # Leave room beside them for the outer tick labels.
    layout = dict(height_ratios=(2, 1, 4, 1, 3), width_ratios=(1, 9, 1))
    grid = cell.get_subplotspec().subgridspec(5, 3, hspace=0, **layout)
    for row, (shown, title, ticks) in zip((1, 3), bars):
        axis = part.add_subplot(grid[row, 1])
        axis.set_title(title, fontsize=8, pad=3)
        bar = draw_bar(part, shown, cax=axis, orientation='horizontal')
        bar.set_ticks(ticks)
        bar.set_ticklabels([f'{tick:.2g}'.replace('-', '−') for tick in ticks])
        axis.tick_params(labelsize=8, length=2, pad=1)


def draw_predictions(axis, scores, truth, classes: Sequence[str]) -> None:
    """Draw a bar for each of the top classes, blue for the true one."""
    axis.set_xlim(0, 1)
    axis.set_ylim(BEST, -0.5)
    for place, index in enumerate(np.argsort(-scores)[:BEST]):
        color = TRUE if index == truth else PLAIN
        axis.barh(place, scores[index], height=0.72, color=color)
        name = elide(name_class(int(index), classes), 15)
        percent = f'{100 * scores[index]:.1f} %'
        style = dict(va='center', fontsize=8.5, parse_math=False)
        axis.text(0.02, place, name, ha='left', **style)
        axis.text(0.99, place, percent, ha='right', **style)
