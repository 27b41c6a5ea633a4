"""Where things stand in the picture of one image, and how they are written."""

from typing import List, Optional, Sequence

import numpy as np
from matplotlib.figure import Figure

from ..analysis.map_figures import draw_bar
from ..plotting import SKY_BLUE

# Inches.
CELL = 1.35
MARGIN = 0.15
GAP = 0.08
MODULE_GAP = 0.3
BARS = 1.6
NAME_LINE = 0.3
HEADER = 0.45
ROW_TITLE = 0.23
FOOTER = 0.36
# The widest that a picture gets for several modules; further ones go below.
WIDEST = 16
BEST = 3  # classes
PLAIN, TRUE = '#D9D9D9', SKY_BLUE  # of a class's bar


def elide(text: str, length: int, end: int = 0) -> str:
    """Leave out a part of a text that is too long, and what can't print.

    Args:
        text (str): The text.
        length (int): How many letters fit.
        end (int): How many of the last letters stay. Defaults to 0.

    Examples:
        >>> elide('a very long name.png', 12, end=4)
        'a very….png'
    """
    text = ''.join(c if c.isprintable() else '?' for c in text)
    if len(text) <= length:
        return text
    return text[: length - 1 - end].rstrip() + '…' + text[len(text) - end :]


def name_class(index: Optional[int], classes: Sequence[str]) -> str:
    """Name a class by its first name, or by its number without one."""
    if index is None:
        return 'not known'
    if not 0 <= index < len(classes):
        return f'class {index}'
    return classes[index].split(',')[0].strip()


class Canvas:
    """A figure whose parts are placed in inches from the top left corner.

    Args:
        shape (tuple): Of the image, (H, W, 3).
        num_modules (int): Two columns each.
        num_networks (int): A row each.

    Attributes:
        bands (list[range]): The modules that stand side by side.
    """

    def __init__(self, shape, num_modules: int, num_networks: int) -> None:
        self.cell_width = CELL * min(max(shape[1] / shape[0], 0.6), 2.0)
        self._modules_left = MARGIN + self.cell_width + GAP + BARS + 0.25
        self._row = CELL + ROW_TITLE
        self._band = HEADER + num_networks * self._row
        self._group = 2 * self.cell_width + GAP + MODULE_GAP
        room = WIDEST - self._modules_left - MARGIN + MODULE_GAP
        lines = -(-num_modules // max(1, int(room / self._group)))
        count = -(-num_modules // lines)
        self.bands = [
            range(start, min(start + count, num_modules))
            for start in range(0, num_modules, count)
        ]
        self.width = self._modules_left + count * self._group
        self.width += MARGIN - MODULE_GAP
        self.height = MARGIN + NAME_LINE + len(self.bands) * self._band
        self.height += FOOTER + 0.05
        self.figure = Figure(figsize=(self.width, self.height))

    def module_left(self, place: int) -> float:
        """Left side of a module's maps."""
        return self._modules_left + place * self._group

    def row_top(self, band: int, row: int) -> float:
        """Upper side of a network's maps."""
        top = MARGIN + NAME_LINE + band * self._band + HEADER
        return top + row * self._row

    def axes(self, x: float, y: float, width: float, height: float):
        """Add axes without frame."""
        axis = self.figure.add_axes(
            (
                x / self.width,
                1 - (y + height) / self.height,
                width / self.width,
                height / self.height,
            )
        )
        axis.set_axis_off()
        return axis

    def text(self, x: float, y: float, text: str, **kwargs) -> None:
        """Write a text whose upper left corner is given."""
        self.figure.text(
            x / self.width,
            1 - y / self.height,
            text,
            va='top',
            parse_math=False,
            **kwargs,
        )

    def draw_bar(self, shown, x, y, title: str, ticks: List[float]) -> None:
        """Draw a horizontal colour bar below its title."""
        inset = 0.12  # for the outer numbers
        self.text(x + self.cell_width / 2, y, title, fontsize=8, ha='center')
        axis = self.axes(
            x + inset, y + 0.17, self.cell_width - 2 * inset, 0.12
        )
        bar = draw_bar(self.figure, shown, cax=axis, orientation='horizontal')
        axis.set_axis_on()
        bar.set_ticks(ticks)
        bar.set_ticklabels([f'{tick:.2g}'.replace('-', '−') for tick in ticks])
        axis.tick_params(labelsize=8, length=2, pad=1)

    def draw_network(self, y, label, scores, truth, classes) -> None:
        """Write a network's name, and what it predicts."""
        x = MARGIN + self.cell_width + GAP + 0.1
        self.text(x, y, elide(label, 19, end=3), fontsize=9.5, weight='bold')
        if scores is None:
            return
        axis = self.axes(x, y + 0.24, BARS, 0.34 * BEST)
        axis.set_xlim(0, 1)
        axis.set_ylim(BEST - 0.5, -0.5)
        for place, index in enumerate(np.argsort(-scores)[:BEST]):
            color = TRUE if index == truth else PLAIN
            axis.barh(place, scores[index], height=0.72, color=color)
            name = elide(name_class(int(index), classes), 15)
            for at, text, side in (
                (0.02, name, 'left'),
                (0.99, f'{100 * scores[index]:.1f} %', 'right'),
            ):
                axis.text(
                    at,
                    place,
                    text,
                    ha=side,
                    va='center',
                    fontsize=8.5,
                    parse_math=False,
                )
