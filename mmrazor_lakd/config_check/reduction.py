"""Exceptions of other libraries, reduced to one clause."""

import re
from typing import Tuple

from ..errors import SettingError

#: what adds nothing for a user: pointers, and MMEngine's advice
NOISE = re.compile(
    r'https?://\S+'
    r'|Please check whether the value of .*'
    r'|More details can be found at.*'
    r'|^Caught \w+ in DataLoader worker process \d+\.?'
    r'|^class `\w+` in \S+: '
)


#: what PyTorch writes between an error of a worker and its traceback
WORKER = 'Original Traceback (most recent call last)'


def _last_line(text: str) -> Tuple[str, str]:
    """Take the kind and the message of an error from its traceback."""
    kind, _, message = text.strip().splitlines()[-1].partition(': ')
    return kind.rpartition('.')[2], message


def sentence_of(error: SettingError) -> str:
    """Give an error's sentence alone, wherever it was raised."""
    text = str(error)
    return _last_line(text)[1] if WORKER in text else text


def reduce(error: BaseException) -> str:
    """Reduce an exception's message to one clause, without a full stop.

    Args:
        error (BaseException): Whose message may have many lines, another
            process's traceback in it, or nothing.

    Returns:
        str: The first sentence, with the exception's kind where that says
        what the message doesn't.
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
    """Take the first sentence of a text, without its full stop.

    Examples:
        >>> first_sentence("cfg needs a type.\\nMore at https://a.b")
        'cfg needs a type'
    """
    lines = [NOISE.sub('', line).strip() for line in text.splitlines()]
    line = next((line for line in lines if line), '')
    # A full stop ends a sentence before a capital letter.
    line = re.split(r'(?<=[^\d\s.])[.!?]\s+(?=[A-Z])', line)[0]
    return line.rstrip(' .:;,!')
