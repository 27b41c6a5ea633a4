"""Checkpointed students: the same gradients, less memory, no patch."""

import copy
import pickle

import pytest
import torch
from conftest import LOGITS_KD, classifier, lakd, total
from mmengine.runner.activation_checkpointing import (
    turn_on_activation_checkpointing,
)
from mmpretrain.registry import MODELS
from test_early_backward import (
    STAGES,
    STOCK_FEATURE_LOSS,
    assert_equal,
    gradients,
    resnet,
)
from torch import nn
from torch.utils import checkpoint

from mmrazor_lakd import SettingError
from mmrazor_lakd.distillers.activation_checkpointing import renewed

CHECKPOINT = checkpoint.checkpoint
TAPPED = [
    dict(
        student=f'backbone.layer{s}.preact',
        teacher=f'backbone.layer{s}.preact',
    )
    for s in (1, 2, 3)
]


@pytest.fixture
def batch(batch):
    """Fewer and smaller images."""
    images, samples = batch
    return images[:2, :, :16, :16], samples[:2]


def student(type='ResNet_CIFAR', **kwargs):
    cfg = resnet(**kwargs)
    cfg['backbone']['type'] = type
    return cfg


def two_models(build, distiller, cfg=None):
    """The same student without and with checkpointing, in float64."""
    models = []
    for with_cp in (False, True):
        own = copy.deepcopy(cfg or student())
        own['backbone']['with_cp'] = with_cp
        teacher = student('TappedResNet_CIFAR')
        models.append(build(copy.deepcopy(distiller), own, teacher).double())
    models[1].load_state_dict(models[0].state_dict())
    models[1].teacher.load_state_dict(models[0].teacher.state_dict())
    return models


def mobilenet():
    cfg = classifier(8, width=1280)
    cfg['backbone'] = dict(type='MobileNetV2', widen_factor=0.5)
    return cfg


@pytest.mark.parametrize(
    'cfg, distiller',
    [
        (student(), lakd(STAGES, **LOGITS_KD)),
        (student('TappedResNet_CIFAR'), lakd(TAPPED, early_backward=False)),
        (student('TappedResNet_CIFAR'), lakd(TAPPED)),
        (
            mobilenet(),
            lakd([dict(student='backbone.layer4', teacher='backbone.layer2')]),
        ),
        (student(), dict(type='FeatureDistiller', **STOCK_FEATURE_LOSS)),
        (student(), lakd(STAGES, **STOCK_FEATURE_LOSS)),
    ],
    ids=['ResNet', 'summed', 'tapped', 'MobileNetV2', 'inside', 'inside-cut'],
)
def test_gradients_are_those_without_checkpointing(
    build, batch, cfg, distiller
):
    """Also where a recorder looks inside of a checkpointed block."""
    plain, checkpointed = two_models(build, distiller, cfg)
    expected = gradients(plain, batch)
    assert_equal(gradients(checkpointed, batch), expected)
    # of a second step too, whose recorders the first one's backward has left
    assert_equal(gradients(checkpointed, batch), gradients(plain, batch))
    assert checkpoint.checkpoint is CHECKPOINT
    assert renewed(checkpointed.student) and not renewed(plain.student)


def test_copies_and_what_is_not_trained(build, batch):
    plain, model = two_models(build, lakd(STAGES))
    assert list(model.state_dict()) == list(plain.state_dict())
    read = pickle.loads(pickle.dumps(model.student))
    copied = copy.deepcopy(model)
    images = batch[0].double()
    with torch.no_grad():
        expected = plain.student.eval()(images)
        for network in (read, model.student, copied.student):
            assert torch.equal(network.eval()(images), expected)
            block = network.backbone.layer2[1]
            assert block.forward.args == (block,)
    plain.train()
    assert_equal(gradients(copied.train(), batch), gradients(plain, batch))
    assert all(p.grad is None for p in model.student.parameters())


def test_recomputation_counts_once(build, batch):
    """In batch normalisation's statistics; with mmpretrain's it is twice."""
    own = MODELS.build(student(with_cp=True)).train()
    total(own(*batch, mode='loss')).backward()
    plain, model = two_models(build, lakd(STAGES))
    for network in (plain, model):
        gradients(network, batch)
    counts = [
        [
            int(block.bn1.num_batches_tracked)
            for block in network.backbone.layer2
        ]
        for network in (own, model.student)
    ]
    assert counts == [[2, 2], [1, 1]]
    for mine, expected in zip(model.buffers(), plain.buffers()):
        assert torch.equal(mine, expected)


def test_a_boundary_inside_is_refused(build):
    entry = dict(
        student='backbone.layer2.1.bn1',
        teacher='backbone.layer2.1.bn1',
        isolate=False,
    )
    message = "'backbone.layer2.1.bn1' lies in 'backbone.layer2.1', whose"
    with pytest.raises(SettingError, match=message):
        build(lakd([entry]), student(with_cp=True), student())
    build(lakd([entry]), student(), student())


def test_mmengines_option(build, batch):
    """The Runner applies activation_checkpointing after the build."""
    plain, model = two_models(build, lakd(STAGES))
    block = 'architecture.backbone.layer3.0'
    turn_on_activation_checkpointing(model, [block])
    turn_on_activation_checkpointing(plain, block)
    # in the one beside with_cp, in the other alone
    expected = gradients(two_models(build, lakd(STAGES))[0], batch)
    assert_equal(gradients(model, batch), expected)
    assert_equal(gradients(plain, batch), expected)
    around = build(lakd(STAGES), student(), student())
    turn_on_activation_checkpointing(around, 'architecture.backbone')
    with pytest.raises(SettingError, match="'backbone.layer1' lies in 'back"):
        around(*batch, mode='loss')


def test_mmengines_option_around_a_record(build, batch):
    """With any distiller: the recorded map has its graph all the same."""
    distiller = dict(type='FeatureDistiller', **STOCK_FEATURE_LOSS)
    plain, _ = two_models(build, distiller)
    model = copy.deepcopy(plain)
    turn_on_activation_checkpointing(model, 'architecture.backbone.layer1')
    assert_equal(gradients(model, batch), gradients(plain, batch))


class Around(nn.Module):
    """Calls a module by the older kind of checkpointing."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x):
        return CHECKPOINT(self.module, x, use_reentrant=True)


@pytest.mark.parametrize('early', [True, False])
def test_a_boundary_that_a_users_module_hides(build, batch, early):
    model = build(lakd(STAGES, early_backward=early), student(), student())
    backbone = model.student.backbone
    backbone.layer2 = Around(backbone.layer2)
    with pytest.raises(
        SettingError, match="'backbone.layer2' runs without gradients"
    ):
        model(*batch, mode='loss')
