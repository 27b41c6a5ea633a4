"""Reduce the exceptions of other libraries to one clause."""

import re
from typing import Tuple

from ..errors import SettingError

#: what doesn't help a user: links, and MMEngine's advice
NOISE = re.compile(
    r'https?://\S+'
    r'|Please check whether the value of .*'
    r'|More details can be found at.*'
    r'|^Caught \w+ in DataLoader worker process \d+\.?'
    r'|^class `\w+` in \S+: '
)


#: the line that PyTorch puts before the traceback of a worker's error
WORKER = 'Original Traceback (most recent call last)'


def _last_line(text: str) -> Tuple[str, str]:
    """Return the class and the message of an error from its traceback."""
    kind, _, message = text.strip().splitlines()[-1].partition(': ')
    return kind.rpartition('.')[2], message


def sentence_of(error: SettingError) -> str:
    """Return only an error's sentence, even if a worker raised it."""
    text = str(error)
    return _last_line(text)[1] if WORKER in text else text


def reduce(error: BaseException) -> str:
    """Reduce an exception's message to one clause, without a full stop.

    Args:
        error (BaseException): The exception, whose message may have many
            lines, contain another process's traceback, or be empty.

    Returns:
        str: The first sentence, with the exception's class if the message
        needs it.
    """
    kind = type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        files = [
            str(name) for name in (error.filename, error.filename2) if name
        ]
        where = f' ({", ".join(files)})' if files else ''
        return f'{error.strerror}{where}'
    text = str(error)
    if WORKER in text:
        kind, text = _last_line(text)
    if isinstance(error, KeyError) and len(error.args) == 1:
        text = str(error.args[0])
        if re.fullmatch(r'\S*', text):
            return f"the key '{text}' is missing"
    text = first_sentence(text)
    if not text:
        return kind
    if issubclass(type(error), (AssertionError, AttributeError, NameError)):
        return f'{kind}: {text}'
    return text


def first_sentence(text: str) -> str:
    """Return the first sentence of a text, without its full stop.

    Examples:
        >>> first_sentence("cfg needs a type.\\nMore at https://a.b")
        'cfg needs a type'
    """
    lines = [NOISE.sub('', line).strip() for line in text.splitlines()]
    line = next((line for line in lines if line), '')
    # A full stop ends a sentence before a capital letter.
    line = re.split(r'(?<=[^\d\s.])[.!?]\s+(?=[A-Z])', line)[0]
    return line.rstrip(' .:;,!')
