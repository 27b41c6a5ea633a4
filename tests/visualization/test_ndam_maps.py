"""Maps and their sizes, against loops in float64."""

import numpy as np
import pytest
import torch
from conftest import classifier
from mmpretrain.registry import MODELS
from slow_maps import features_of, slow_ndam

from mmrazor_lakd.visualization.ndam_maps import (
    collect_ndam_maps,
    match_map,
    read_attention,
)

NAMES = ['backbone.layer1.preact', 'backbone.layer3.preact']


@pytest.fixture(scope='module')
def model():
    torch.manual_seed(0)
    model = MODELS.build(classifier(8))
    model.init_weights()
    # A trained model's normalisation is not that of a new one.
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -1, 1)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
    return model.eval()


@pytest.fixture(scope='module')
def images():
    return torch.randn(2, 3, 32, 32, generator=torch.manual_seed(1))


def test_maps_are_those_of_the_recorded_features(model, images):
    found = read_attention(model, images, NAMES)
    for name, maps in zip(NAMES, found.maps):
        for values, feature in zip(maps, features_of(model, images, name)):
            np.testing.assert_allclose(values, slow_ndam(feature), atol=2e-6)
    again = collect_ndam_maps(model, images, NAMES)
    assert all((a == b).all() for a, b in zip(again, found.maps))


def test_predictions_are_those_of_the_model(model, images):
    scores = read_attention(model, images, NAMES).scores
    with torch.no_grad():
        expected = model(images, mode='tensor').softmax(1).numpy()
    np.testing.assert_allclose(scores, expected, atol=1e-6)


def test_features_that_are_overwritten_later_are_shown_as_they_were(images):
    """A convolution before a batch normalisation and a ReLU in place."""
    torch.manual_seed(0)
    model = MODELS.build(
        dict(
            type='ImageClassifier',
            backbone=dict(type='ResNet_CIFAR', depth=18),
            neck=dict(type='GlobalAveragePooling'),
            head=dict(type='LinearClsHead', num_classes=4, in_channels=512),
        )
    ).eval()
    assert model.backbone.relu.inplace
    found = read_attention(model, images, ['backbone.bn1']).maps[0]
    model.backbone.relu.inplace = False
    expected = read_attention(model, images, ['backbone.bn1']).maps[0]
    assert (found == expected).all()


def test_no_hook_is_left(model, images):
    read_attention(model, images, NAMES)
    with pytest.raises(RuntimeError):
        read_attention(model, images[:, :2], NAMES)
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize('size', [(4, 4), (8, 8), (16, 8)])
def test_a_map_is_brought_to_the_teachers_size(size):
    maps = np.random.default_rng(0).random((2, 8, 8)).astype(np.float32)
    found = match_map(maps, np.zeros((2, *size), np.float32))
    assert found.shape == (2, *size)
    if size == (8, 8):
        assert (found == maps).all()
    if size == (4, 4):
        blocks = maps.reshape(2, 4, 2, 4, 2).mean((2, 4))
        np.testing.assert_allclose(found, blocks, atol=1e-6)
    # The mean of an NDAM map is 1 before and after.
    np.testing.assert_allclose(
        found.mean((1, 2)), maps.mean((1, 2)), atol=0.02
    )
