"""The error that a user can mend, and how its sentences are made."""

from difflib import get_close_matches
from typing import Iterable, Sequence


class SettingError(ValueError):
    """A config, checkpoint, data set or option is wrong.

    The message is one sentence that names the culprit, what was expected and
    what to write instead. The command line tools print it without a
    traceback and exit with status 2.
    """


def check_choice(owner: str, name: str, value, choices: Sequence) -> None:
    """Refuse an option's value that is not among its choices.

    Args:
        owner (str): The class that has the option.
        name (str): The option.
        value: What the user gave.
        choices (Sequence): What is allowed.

    Raises:
        SettingError: If ``value`` is not in ``choices``.
    """
    if value not in choices:
        known = ', '.join(repr(choice) for choice in choices)
        raise SettingError(
            f'{owner} has no {name}={value!r}; choose one of {known}.'
        )


def nearest(name: str, known: Iterable[str], count: int = 3) -> str:
    """List the known names nearest to a misspelt one, for a message."""
    known = [candidate for candidate in known if candidate]
    by_lower = {candidate.lower(): candidate for candidate in reversed(known)}
    close = get_close_matches(name.lower(), by_lower, n=count, cutoff=0.3)
    return ', '.join([by_lower[c] for c in close] or known[:count])
