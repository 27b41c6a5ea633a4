"""Format a nested config as a person would write it."""

import textwrap
from typing import Any, List, NamedTuple

WIDTH = 79


class Code(str):
    """An expression, which is written as it stands."""


class Noted(NamedTuple):
    """A value with a comment above it.

    Attributes:
        value: The value.
        note (str): The comment, on one line.
    """

    value: Any
    note: str


def format_setting(name: str, value: Any) -> str:
    """Format ``name = value``, with a line for each entry if need be.

    Args:
        name (str): The variable.
        value: Of dicts, lists, tuples and literals, with :class:`Code` and
            :class:`Noted` in them.

    Examples:
        >>> print(format_setting('a', dict(b=Noted(1, 'why'), c=(2, 3))))
        a = dict(
            # why
            b=1,
            c=(2, 3),
        )
    """
    return '\n'.join(_lines(f'{name} = ', value, 0, ''))


def format_comment(text: str, indent: int = 0) -> List[str]:
    """Break a comment into lines."""
    start = ' ' * indent + '# '
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=start,
        subsequent_indent=start,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _lines(before: str, value: Any, indent: int, after: str) -> List[str]:
    """Format a value with what stands before and after it."""
    if isinstance(value, Noted):
        lines = _lines(before, value.value, indent, after)
        return [*format_comment(value.note, indent), *lines]
    space = ' ' * indent
    line = f'{space}{before}{_inline(value)}{after}'
    if not isinstance(value, (dict, list, tuple)) or (
        len(line) <= WIDTH and not _has_notes(value)
    ):
        return [line]
    if isinstance(value, dict):
        first, last = 'dict(', ')'
        items = [
            ('' if isinstance(key, Code) else f'{key}=', entry)
            for key, entry in value.items()
        ]
    else:
        first, last = '()' if isinstance(value, tuple) else '[]'
        items = [('', entry) for entry in value]
    lines = [f'{space}{before}{first}']
    inside = _inline(value)[len(first) : -len(last)]
    if indent + 4 + len(inside) <= WIDTH and not _has_notes(value):
        return [*lines, f'{space}    {inside}', f'{space}{last}{after}']
    for name, entry in items:
        lines += _lines(name, entry, indent + 4, ',')
    return [*lines, f'{space}{last}{after}']


def _inline(value: Any) -> str:
    """Format a value on one line, without its comments."""
    if isinstance(value, Noted):
        return _inline(value.value)
    if isinstance(value, Code):
        return str(value)
    if isinstance(value, dict):
        entries = ', '.join(
            _inline(entry)
            if isinstance(key, Code)
            else f'{key}={_inline(entry)}'
            for key, entry in value.items()
        )
        return f'dict({entries})'
    if isinstance(value, list):
        return f'[{", ".join(map(_inline, value))}]'
    if isinstance(value, tuple):
        comma = ',' if len(value) == 1 else ''
        return f'({", ".join(map(_inline, value))}{comma})'
    return repr(value)


def _has_notes(value: Any) -> bool:
    """Check whether there is a comment in a value."""
    if isinstance(value, Noted):
        return True
    if isinstance(value, dict):
        return any(map(_has_notes, value.values()))
    return isinstance(value, (list, tuple)) and any(map(_has_notes, value))
