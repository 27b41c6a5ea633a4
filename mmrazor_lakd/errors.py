"""The error that users can fix, and helpers for its messages."""

import math
import sys
from difflib import get_close_matches
from numbers import Integral, Real
from typing import Any, Iterable, Optional, Sequence


class SettingError(ValueError):
    """Raised if a config, checkpoint, data set or option is wrong.

    The message is one sentence that names the culprit, what was expected and
    what to write instead. The command line tools print it without a
    traceback and exit with status 2.
    """


class DivergenceError(SettingError):
    """Raised if the loss of a training isn't finite."""


def check_choice(owner: str, name: str, value, choices: Sequence) -> None:
    """Raise if an option's value is not among its choices.

    Args:
        owner (str): The class that has the option.
        name (str): The option.
        value: The user's value.
        choices (Sequence): The allowed values.

    Raises:
        SettingError: If ``value`` is not in ``choices``.
    """
    # 0 is equal to False, and an array to nothing that could be true or not
    if not any(isinstance(value, type(c)) and value == c for c in choices):
        known = ', '.join(repr(choice) for choice in choices)
        raise SettingError(
            f'{owner} has no {name}={value!r}; choose one of {known}.'
        )


def is_number(value, integer: bool = False) -> bool:
    """Check whether a value is a finite number; a bool is not.

    An integer that no float can hold isn't finite either.
    """
    kind: Any = Integral if integer else Real
    largest = sys.float_info.max
    return (
        isinstance(value, kind)
        and not isinstance(value, bool)
        and -largest <= value <= largest
    )


def check_number(
    owner: str,
    name: str,
    value,
    minimum: float = -math.inf,
    above: float = -math.inf,
    below: float = math.inf,
    integer: bool = False,
    example: Optional[float] = None,
) -> None:
    """Raise if an option's value is not a finite number in its range.

    Args:
        owner (str): Owner of the option: a class, or a key of the config.
        name (str): The option.
        value: The user's value.
        minimum (float): The smallest allowed number. Defaults to none.
        above (float): An exclusive lower bound. Defaults to none.
        below (float): An exclusive upper bound. Defaults to none.
        integer (bool): Whether it must be an integer. Defaults to False.
        example (float, optional): A value to write instead.

    Raises:
        SettingError: If ``value`` is of another type, NaN, infinite or out of
            range.
    """
    if (
        is_number(value, integer)
        and value >= minimum
        and above < value < below
    ):
        return
    wanted = 'an integer' if integer else 'a finite number'
    bounds = (('of at least', minimum), ('above', above), ('below', below))
    wanted += ' and'.join(
        f' {words} {bound}' for words, bound in bounds if math.isfinite(bound)
    )
    if example is not None:
        wanted += f', such as {example}'
    raise SettingError(f'{owner} has {name}={value!r}; write {wanted}.')


#: no width or number of classes is as large; memory for one might be found,
#: until the system ends the process
LARGEST = 2**24


def check_size(
    owner: str,
    name: str,
    value,
    below: int = LARGEST,
    example: Optional[float] = None,
) -> None:
    """Raise if a width or a count isn't an integer of at least 1.

    Args:
        owner (str): See :func:`check_number`.
        name (str): The option.
        value: The user's value.
        below (int): What no memory holds. Defaults to :data:`LARGEST`.
        example (float, optional): A value to write instead.

    Raises:
        SettingError: If it is another value.
    """
    check_number(owner, name, value, minimum=1, integer=True, example=example)
    check_number(owner, name, value, below=below, integer=True)


def nearest(name: str, known: Iterable[str], count: int = 3) -> str:
    """List the known names nearest to a misspelt one, for a message."""
    known = [candidate for candidate in known if candidate]
    by_lower = {candidate.lower(): candidate for candidate in reversed(known)}
    close = get_close_matches(name.lower(), by_lower, n=count, cutoff=0.3)
    return ', '.join([by_lower[c] for c in close] or known[:count])


def printable(text: str) -> str:
    """Replace what a terminal would obey, such as the name in a file.

    Examples:
        >>> printable('cat\\x1b[2J')
        'cat\\\\x1b[2J'
    """
    return ''.join(
        char
        if char.isprintable() or char == '\n'
        else char.encode('unicode_escape').decode()
        for char in text
    )
