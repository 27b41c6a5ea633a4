"""Digits against scikit-learn's own arrays."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from sklearn.datasets import load_digits

from mmrazor_lakd import SettingError
from mmrazor_lakd.datasets import Digits

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope='module')
def splits():
    return Digits(split='train'), Digits(split='test', test_mode=True)


def test_every_image_is_scikit_learns(splits):
    """The two splits together are all of scikit-learn's images, once each."""
    digits = load_digits()
    expected = sorted(
        (int(label), np.rint(image * 255 / 16).astype(np.uint8).tobytes())
        for image, label in zip(digits.images, digits.target)
    )
    found = []
    for dataset in splits:
        images = dataset.images
        assert images.dtype == torch.uint8
        assert images.shape[1:] == (3, 32, 32)
        small = images[:, 0, ::4, ::4].contiguous()
        # each small pixel is a block of 4x4 equal pixels in all channels
        blocks = small.repeat_interleave(4, 1).repeat_interleave(4, 2)
        assert torch.equal(images, blocks[:, None].expand_as(images))
        found += [
            (int(label), image.numpy().tobytes())
            for image, label in zip(small, dataset.labels)
        ]
    assert sorted(found) == expected
    # all images differ, so that equal lists mean disjoint splits
    assert len(set(expected)) == 1797


def test_split_is_stratified_and_fixed(splits):
    train, test = splits
    assert (len(train), len(test)) == (1352, 445)
    for label in range(10):
        in_train = (train.labels == label).sum().item()
        in_test = (test.labels == label).sum().item()
        assert in_test == (in_train + in_test) // 4
    # every fourth of a class: the first is scikit-learn's fourth of it
    digits = load_digits()
    for label in range(10):
        fourth = digits.images[np.flatnonzero(digits.target == label)[3]]
        first = test.images[test.labels == label][0, 0, ::4, ::4]
        assert np.array_equal(first, np.rint(fourth * 255 / 16))


def test_extreme_values(splits):
    train, _ = splits
    assert train.images.min() == 0 and train.images.max() == 255


def test_config_normalises_with_the_train_split(splits):
    cfg = Config.fromfile(ROOT / 'configs/_base_/datasets/digits_bs64.py')
    pixels = splits[0].images[:, 0].double()
    mean, std = pixels.mean().item(), pixels.std(unbiased=False).item()
    assert cfg.data_preprocessor.mean == pytest.approx([mean] * 3, abs=1e-3)
    assert cfg.data_preprocessor.std == pytest.approx([std] * 3, abs=1e-3)


def test_classes_and_repr(splits):
    assert splits[0].CLASSES == tuple('0123456789')
    assert 'Number of samples: \t445' in repr(splits[1])
    assert 'Split: \ttest' in repr(splits[1])


def test_unknown_split_is_refused():
    with pytest.raises(SettingError, match="no split='val'.*'train', 'test'"):
        Digits(split='val')
