"""Agreement against counts made image by image."""

import math

import numpy as np
import pytest
import torch

from mmrazor_lakd.analysis import Agreement, map_correlation


@pytest.fixture(scope='module')
def told():
    """300 images of 4 classes, three models of different skill."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(4, (300,), generator=generator)
    logits = torch.randn(3, 300, 4, generator=generator)
    for rows, share in zip(logits, (0.1, 0.3, 0.5)):
        right = torch.rand(300, generator=generator) >= share
        rows[right, labels[right]] += 10
    return logits, labels


@pytest.fixture(scope='module')
def counts(told):
    agreement = Agreement(3, 4)
    for batch in range(0, 300, 64):
        part = slice(batch, batch + 64)
        agreement.update(told[0][:, part], told[1][part])
    return agreement


def test_agreement_image_by_image(told, counts):
    answers, labels = told[0].argmax(2).tolist(), told[1].tolist()
    shares = counts.compute()
    for i in range(3):
        right = sum(a == b for a, b in zip(answers[i], labels))
        assert shares['accuracy'][i] == pytest.approx(right / 300)
        for j in range(3):
            triples = list(zip(answers[i], answers[j], labels))
            expected = dict(
                all=[a == b for a, b, _ in triples],
                right=[a == b for a, b, t in triples if b == t],
                wrong=[a == b for a, b, t in triples if b != t],
            )
            for name, cases in expected.items():
                share = sum(cases) / len(cases)
                found = shares[name][i, j]
                assert found == pytest.approx(share), (i, j, name)
    assert shares['wrong'][1, 1] == 1


def test_divergence_image_by_image(told, counts):
    probabilities = [
        [[math.exp(x) / sum(map(math.exp, row)) for x in row] for row in model]
        for model in told[0].tolist()
    ]
    for i, model in enumerate(probabilities):
        for j, other in enumerate(probabilities):
            expected = sum(
                q * math.log(q / p)
                for own, its in zip(model, other)
                for p, q in zip(own, its)
            )
            found = counts.compute()['divergence'][i, j]
            assert found == pytest.approx(expected / 300, abs=1e-12)


def test_gain_class_by_class(told, counts):
    answers, labels = told[0].argmax(2).tolist(), told[1].tolist()
    for label in range(4):
        cases = [
            (a == t, b == t)
            for a, b, t in zip(answers[0], answers[2], labels)
            if t == label
        ]
        found = counts.gain(0, 2, label)
        won, lost = cases.count((True, False)), cases.count((False, True))
        assert (found['only_model'], found['only_other']) == (won, lost)
        difference = sum(a for a, _ in cases) - sum(b for _, b in cases)
        assert found['gain'] == pytest.approx(difference / len(cases))
        back = counts.gain(2, 0, label)
        assert back['gain'] == -found['gain'] and back['p'] == found['p']
    total = sum(
        counts.images[k] * counts.gain(0, 2, k)['gain'] for k in range(4)
    )
    accuracy = counts.compute()['accuracy']
    expected = 300 * (accuracy[0] - accuracy[2]).item()
    assert total.item() == pytest.approx(expected, abs=1e-3)


def test_exact_probability():
    """5 images won and none lost: twice (1/2)^5."""
    agreement = Agreement(2, 2)
    labels = torch.zeros(8, dtype=torch.long)
    other = torch.tensor([1, 1, 1, 1, 1, 0, 0, 0])
    logits = torch.nn.functional.one_hot(torch.stack([labels, other]), 2)
    agreement.update(logits.float(), labels)
    found = agreement.gain(0, 1, 0)
    assert found == dict(gain=5 / 8, only_model=5, only_other=0, p=2 / 32)
    assert agreement.gain(0, 1, 1) == dict(
        gain=0, only_model=0, only_other=0, p=1
    )


def test_correlation_image_by_image():
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, 6, 5, 7, generator=generator)
    second = second + first
    # A constant map, and one that is constant but for float32's rounding.
    first[1] = 0.1
    first[2] = 0.1
    first[2, ::2] *= 1 + 2e-7
    found = map_correlation(first[:, None], second[:, None])
    for i in range(6):
        if i in (1, 2):
            assert found[i].isnan()
            continue
        pair = [maps[i].double().flatten() for maps in (first, second)]
        expected = np.corrcoef(*pair)[0, 1]
        assert found[i].item() == pytest.approx(expected, abs=1e-12)
    for other, r in ((first, 1), (-2 * first + 1, -1)):
        assert map_correlation(first, other)[0].item() == pytest.approx(r)
