"""Made inputs: what several campaigns draw from, and how they judge.

The examples are the same in each run. ``MADE_EXAMPLES=10`` makes ten times as
many.
"""

import copy
import os
import re
from contextlib import contextmanager
from typing import Iterator, Tuple

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from mmrazor_lakd import SettingError

#: how many times as many examples as usual
FACTOR = float(os.environ.get('MADE_EXAMPLES', 1))
#: the beginning of a sentence that names a class and a line of code in place
#: of a setting
UNEXPLAINED = re.compile(r'\w+(Error|Exception|Warning): ')

NUMBERS = st.one_of(
    st.sampled_from([0, 1, -1, 2, 3, 0.0, -0.5, 0.5, 1e-300, 1e300, 1e30]),
    st.integers(-3, 12),
    st.floats(-10, 10),
    st.sampled_from([float('nan'), float('inf'), -float('inf')]),
    st.sampled_from([2**31, 2**63, 2**64, -(2**70), 10**400]),
)
TEXTS = st.sampled_from(
    [
        '',
        'no',
        'True',
        '1.0',
        'none',
        'relu',
        'backbone',
        'ä',
        'a b',
        '.',
        '{}',
    ]
)
PLAIN = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
#: what a user's config may hold in the place of anything
ODD = st.one_of(
    PLAIN,
    st.lists(PLAIN, max_size=3),
    st.tuples(PLAIN, PLAIN),
    st.dictionaries(TEXTS, PLAIN, max_size=2),
    st.sampled_from([b'1', 1j, {1}, int, len, dict(type='ReLU')]),
)


def made(examples: int):
    """Decorate a campaign of so many examples.

    Args:
        examples (int): In a run with ``MADE_EXAMPLES=1``.
    """
    configured = settings(
        max_examples=max(int(examples * FACTOR), 1),
        derandomize=True,
        database=None,
        deadline=None,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
    )
    return lambda test: pytest.mark.slow(configured(test))


def places_in(value) -> Iterator[Tuple]:
    """Yield each place in nested dicts and lists: a holder and a key."""
    keys = range(len(value)) if isinstance(value, list) else list(value)
    for key in keys:
        yield value, key
        if isinstance(value[key], (dict, list)):
            yield from places_in(value[key])


@st.composite
def changed(draw, right, values=ODD, most=2):
    """Draw a config, or other nested dict, that is changed in some places.

    Args:
        draw (Callable): Given by Hypothesis.
        right (dict): The right one.
        values (SearchStrategy): What else may stand there.
        most (int): Number of changes.
    """
    cfg = copy.deepcopy(right)
    for _ in range(draw(st.integers(1, most))):
        places = list(places_in(cfg))
        if not places:
            break
        holder, key = draw(st.sampled_from(places))
        change = draw(st.sampled_from(['replace', 'move', 'delete', 'add']))
        if change == 'replace':
            holder[key] = draw(values)
        elif change == 'move':
            other, name = draw(st.sampled_from(places))
            holder[key] = copy.deepcopy(other[name])
        elif change == 'delete':
            del holder[key]
        elif isinstance(holder, list):
            holder.append(draw(values))
        else:
            others = [name for _, name in places if isinstance(name, str)]
            names = st.sampled_from([*others, 'unknown'])
            holder[draw(names)] = draw(values)
    return cfg


def check_sentence(text: str) -> None:
    """Check that a refusal is one sentence, and of ours."""
    assert '\n' not in text and text.endswith('.'), text
    assert not UNEXPLAINED.match(text), text


@contextmanager
def fine_or_refused():
    """Let a SettingError pass; any other exception is a fault."""
    try:
        yield
    except SettingError as error:
        check_sentence(str(error))
