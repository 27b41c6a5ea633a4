"""The colours of all pictures, told apart by colour-blind eyes.

They are Okabe and Ito's ("Color Universal Design", 2008), without their
yellow, which is too faint for lines: Tol's wine stands in its place.
"""

import textwrap
from typing import Any, Dict

BLACK = '#000000'
ORANGE = '#E69F00'
SKY_BLUE = '#56B4E9'
GREEN = '#009E73'
BLUE = '#0072B2'
VERMILION = '#D55E00'
PURPLE = '#CC79A7'
GREY = '#999999'
WINE = '#882255'


def line_style(color: str, again: bool) -> Dict[str, Any]:
    """Choose how a line is drawn: dashed and hollow if its colour was used."""
    return dict(
        color=color,
        linestyle='--' if again else '-',
        markerfacecolor='white' if again else color,
    )


def wrap(label: str, width: int) -> str:
    """Break a label into lines: at commas, else where the width is full."""
    return '\n'.join(
        line
        for part in label.split(',')
        for line in textwrap.wrap(part, width)
    )
