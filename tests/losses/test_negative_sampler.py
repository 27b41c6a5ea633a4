"""Which negatives are drawn, and that nothing but seed and step matters."""

import numpy as np
import pytest
import torch
from scipy.stats import chi2

from mmrazor_lakd import SettingError
from mmrazor_lakd.losses import NegativeSampler

# classes of 5, 35, 20 and 40 samples, in no order
LABELS = np.random.RandomState(0).permutation(
    np.repeat([0, 1, 2, 3], [5, 35, 20, 40])
)
BATCH = torch.arange(100)


def make(num_negatives=30, seed=1):
    sampler = NegativeSampler(100, num_negatives, seed)
    sampler.take_labels(LABELS)
    return sampler


def draw(sampler, indices=BATCH):
    """A step's negatives, by anchor."""
    pool, chosen = sampler(indices)
    sampler.step += 1
    return [pool[row].tolist() for row in chosen]


@pytest.mark.parametrize('count', [1, 30, 60])
def test_as_many_as_asked_of_other_classes_each_once(count):
    """60 is all that there are for the largest class."""
    sampler = make(count)
    for _ in range(20):
        for anchor, negatives in enumerate(draw(sampler)):
            assert len(negatives) == len(set(negatives)) == count
            assert all(LABELS[negatives] != LABELS[anchor])


def test_uniform():
    """Pearson's test, for each class, of how often a sample was drawn.

    Drawing without repetition makes the counts less scattered than
    multinomial ones by the factor 1 - N / available.
    """
    steps, count = 4000, 30
    sampler = make(count)
    anchors = [int(np.flatnonzero(LABELS == c)[0]) for c in range(4)]
    drawn = np.zeros((4, 100))
    for _ in range(steps):
        for row, negatives in enumerate(draw(sampler, torch.tensor(anchors))):
            drawn[row, negatives] += 1
    for c in range(4):
        counts = drawn[c, LABELS != c]
        available = len(counts)
        share = count / available
        variance = steps * share * (1 - share)
        statistic = ((counts - steps * share) ** 2).sum() / variance
        statistic *= (available - 1) / available
        tail = chi2.sf(statistic, available - 1)
        assert 0.001 < tail < 0.999, (c, tail)


def test_steps_and_seeds_differ():
    sampler = make()
    first, second = draw(sampler), draw(sampler)
    assert first != second
    assert draw(make(seed=2)) != first
    assert draw(make()) == first


def test_anchors_of_a_class_have_the_same_and_the_batch_no_influence():
    """So it does not matter which process has a sample."""
    whole, part = draw(make()), draw(make(), BATCH[60:])
    assert whole[60:] == part


def test_global_generator_is_neither_asked_nor_moved():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    sampler = make(seed=None)
    assert sampler.seed == 5  # what randomness.seed of a config sets
    first = draw(sampler)
    assert torch.equal(before, torch.get_rng_state())
    torch.rand(7)
    sampler.step.zero_()
    assert draw(sampler) == first


def test_resumed_from_a_state_dict():
    sampler = make()
    draw(sampler)
    state = {k: v.clone() for k, v in sampler.state_dict().items()}
    assert set(state) == {'seed', 'step'}
    expected = draw(sampler)
    other = make(seed=99)
    other.load_state_dict(state)
    assert draw(other) == expected


def test_labels_must_fit():
    with pytest.raises(SettingError, match='write num_samples=99'):
        make().take_labels(LABELS[:99])
