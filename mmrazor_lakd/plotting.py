"""The colours of all figures, distinguishable by colour-blind readers.

They are Okabe and Ito's ("Color Universal Design", 2008), but Tol's wine
replaces their yellow, which is too faint for lines.
"""

import textwrap
from typing import Any, Dict

import matplotlib

BLACK = '#000000'
ORANGE = '#E69F00'
SKY_BLUE = '#56B4E9'
GREEN = '#009E73'
BLUE = '#0072B2'
VERMILION = '#D55E00'
PURPLE = '#CC79A7'
GREY = '#999999'
WINE = '#882255'


#: decorates what draws names, which are text even if they have a `$`
literal_text = matplotlib.rc_context({'text.parse_math': False})


def line_style(color: str, again: bool) -> Dict[str, Any]:
    """Return a line's style: dashed and hollow if its colour is repeated."""
    return dict(
        color=color,
        linestyle='--' if again else '-',
        markerfacecolor='white' if again else color,
    )


def wrap(label: str, width: int) -> str:
    """Break a label into lines at commas, and at the width if needed."""
    return '\n'.join(
        line
        for part in label.split(',')
        for line in textwrap.wrap(part, width)
    )
