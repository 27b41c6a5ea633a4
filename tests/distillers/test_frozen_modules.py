"""A local module of frozen weights is warned of in the first step."""

import pytest
from conftest import lakd
from test_early_backward import resnet

UNTAUGHT = dict(feature_loss=None, attention_loss=None)


def entry(stage, **kwargs):
    name = f'backbone.layer{stage}'
    return dict(student=name, teacher=name, **kwargs)


@pytest.mark.parametrize(
    'frozen, entries, warned',
    [
        (0, [entry(1), entry(2)], []),
        (1, [entry(1), entry(2)], [0]),
        (2, [entry(1), entry(2)], [0, 1]),
        (1, [entry(1, isolate=False), entry(2)], [0]),
        (1, [entry(2)], []),
        (1, [entry(1, **UNTAUGHT), entry(2)], []),
    ],
    ids=['stem', 'stage-1', 'stages-1-2', 'uncut', 'behind', 'untaught'],
)
def test_what_is_warned_of(build, batch, warnings, frozen, entries, warned):
    model = build(
        lakd(entries),
        student=resnet(frozen_stages=frozen),
        teacher=resnet(),
    )
    model(*batch, mode='loss')
    said = [text for text in warnings() if 'frozen' in text]
    assert [text.split(':')[0] for text in said] == [
        f'local_modules[{index}]' for index in warned
    ]
    model(*batch, mode='loss')
    assert len([text for text in warnings() if 'frozen' in text]) == len(said)
