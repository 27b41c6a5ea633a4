"""Blocks and stems that are computed again give the same gradients."""

import copy

import pytest
import torch
from conftest import LOGITS_KD, classifier, lakd
from mmengine.model.efficient_conv_bn_eval import (
    turn_on_efficient_conv_bn_eval,
)
from mmpretrain.models import ResNet
from mmpretrain.registry import MODELS
from test_early_backward import STAGES, assert_equal, gradients, pair, resnet
from torch import nn

from mmrazor_lakd import SettingError
from mmrazor_lakd.distillers.activation_checkpointing import renewed

KD = dict(type='ConfigurableDistiller', **LOGITS_KD)
BOTH = ['blocks', 'stem']


def imagenet_stem():
    """A ResNet18 with the stem for large images, narrow."""
    cfg = resnet()
    cfg['backbone']['type'] = 'ResNet'
    return cfg


@MODELS.register_module()
class FlatStemResNet(ResNet):
    """With the stem of mmsegmentation's ResNetV1c, a list of single layers."""

    def __init__(self, **kwargs):
        super().__init__(deep_stem=True, **kwargs)
        layers = []
        for channels, stride in ((3, 2), (16, 1)):
            layers += [
                nn.Conv2d(channels, 16, 3, stride, padding=1, bias=False),
                nn.BatchNorm2d(16),
                nn.ReLU(inplace=True),
            ]
        self.stem = nn.Sequential(*layers)


def flat_stem():
    cfg = imagenet_stem()
    cfg['backbone']['type'] = 'FlatStemResNet'
    return cfg


@pytest.mark.parametrize('parts', [['blocks'], ['stem'], BOTH])
@pytest.mark.parametrize(
    'distiller, student',
    [
        (KD, None),
        (lakd(**LOGITS_KD), None),
        (lakd(STAGES), resnet()),
        (KD, imagenet_stem()),
        (KD, flat_stem()),
    ],
    ids=['kd', 'lakd', 'stages', 'large-stem', 'flat-stem'],
)
def test_recomputed_parts(build, batch, distiller, student, parts):
    """Gradients and running statistics are those of the plain step."""
    teacher = student and resnet()
    models = pair(build, distiller, student, teacher, recompute=parts)
    for _ in range(2):
        expected = gradients(models[0], batch)
        assert_equal(gradients(models[1], batch), expected)
    plain, recomputed = (dict(model.named_buffers()) for model in models)
    assert set(plain) == set(recomputed)
    for name, value in plain.items():
        torch.testing.assert_close(
            recomputed[name], value, rtol=1e-12, atol=1e-14, msg=name
        )
    images = batch[0].double()
    with torch.no_grad():
        plain, recomputed = (m.student.eval()(images) for m in models)
    torch.testing.assert_close(recomputed, plain, rtol=1e-12, atol=1e-14)


def test_recomputed_parts_can_be_copied(build, batch):
    model = build(lakd(STAGES), resnet(), resnet(), recompute=BOTH).double()
    gradients(model, batch)
    copied = copy.deepcopy(model)
    assert_equal(gradients(copied, batch), gradients(model, batch))
    stem = copied.student.backbone.conv1.forward.args
    assert stem[0] is copied.student.backbone.conv1


def test_a_stem_is_computed_group_by_group(build):
    """With its maps of one group alone in memory."""
    networks = imagenet_stem(), resnet()
    model = build(copy.deepcopy(KD), *networks, recompute=['stem'])
    plain = build(copy.deepcopy(KD), imagenet_stem(), resnet())
    images = torch.randn(2, 3, 64, 64)
    saved = []
    for one in (plain, model):
        one._prepare(images, None)
        kept = {}

        def pack(tensor, kept=kept):
            kept[tensor.data_ptr()] = tensor.nbytes
            return tensor

        backbone = one.student.backbone
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
            feature = backbone.relu(backbone.norm1(backbone.conv1(images)))
            backbone.maxpool(feature).sum().backward()
        saved.append(sum(kept.values()))
    # the images alone, in place of three maps and the pooling's places
    assert saved[1] == images.nbytes < saved[0] / 4


def test_single_layers_are_not_blocks(build, batch):
    """Computed again, they would save nothing."""
    model = build(copy.deepcopy(KD), flat_stem(), resnet(), recompute=BOTH)
    model(*batch, mode='loss')
    assert not any('stem' in name for name in renewed(model.student))


@pytest.mark.parametrize(
    'distiller, student, parts, message',
    [
        (KD, None, 'stem', 'write a list of what'),
        (KD, None, ['body'], 'write a list of what'),
        (KD, None, None, 'write a list of what'),
        (
            lakd(
                [
                    dict(
                        student='backbone.bn1',
                        teacher='backbone.layer1',
                    )
                ]
            ),
            imagenet_stem(),
            ['stem'],
            "'backbone.bn1' is recorded or cut behind",
        ),
        (
            lakd(
                [
                    dict(
                        student='backbone.layer1.0.conv1',
                        teacher='backbone.layer1',
                        isolate=False,
                    )
                ]
            ),
            resnet(),
            ['blocks'],
            "lies in 'backbone.layer1.0', whose",
        ),
    ],
)
def test_what_can_not_be_recomputed(
    build, batch, distiller, student, parts, message
):
    with pytest.raises(SettingError, match=message):
        model = build(
            copy.deepcopy(distiller),
            copy.deepcopy(student),
            student and resnet(),
            recompute=parts,
        )
        model(*batch, mode='loss')


def test_a_frozen_stem_keeps_nothing(build, batch):
    student = imagenet_stem()
    student['backbone'].update(frozen_stages=1)
    model = build(copy.deepcopy(KD), student, resnet(), recompute=['stem'])
    with pytest.raises(SettingError, match="'backbone.conv1' is frozen"):
        model(*batch, mode='loss')


def wide_resnet():
    """WRN-16-1, whose first shortcut takes the bare convolution's map."""
    cfg = classifier(16)
    cfg['backbone'].update(type='CIFARWideResNet', widen_factor=1)
    return cfg


def standardised():
    """A ResNet18 whose convolutions standardise their weights."""
    cfg = imagenet_stem()
    cfg['backbone']['conv_cfg'] = dict(type='ConvWS')
    return cfg


def before_the_pooling():
    """KD that records the input of the stem's pooling."""
    distiller = copy.deepcopy(KD)
    distiller['student_recorders']['map'] = dict(
        type='ModuleInputs', source='backbone.maxpool'
    )
    return distiller


@pytest.mark.parametrize(
    'distiller, student, message',
    [
        (KD, wide_resnet(), 'also uses an inner map of it'),
        (KD, standardised(), "doesn't begin with an nn.Conv2d"),
        (before_the_pooling(), imagenet_stem(), 'or a recorder does'),
    ],
    ids=['shortcut', 'other-convolution', 'recorder'],
)
def test_a_stem_that_computes_more(build, batch, distiller, student, message):
    """It is refused, where its gradients would be wrong."""
    model = build(
        copy.deepcopy(distiller), copy.deepcopy(student), recompute=['stem']
    )
    with pytest.raises(SettingError, match=message):
        model(*batch, mode='loss')


def test_a_training_resumed_after_its_distillation(build, batch):
    """Without a step of it, the student is recomputed all the same."""
    model = build(lakd(STAGES), resnet(), resnet(), recompute=['blocks'])
    model.distillation_stopped = True
    model(*batch, mode='loss')
    assert 'backbone.layer4.0' in renewed(model.student)


@pytest.mark.parametrize(
    'norm, norm_eval',
    [({}, False), ({}, True), (dict(track_running_stats=False), False)],
)
def test_cumulative_statistics(build, batch, norm, norm_eval):
    """Without a momentum, and in eval mode before any batch was counted."""
    norm_cfg = dict(type='BN', momentum=None, **norm)
    student = resnet(norm_cfg=norm_cfg, norm_eval=norm_eval)
    models = pair(build, KD, student, resnet(), recompute=BOTH)
    for _ in range(2):
        expected = gradients(models[0], batch)
        assert_equal(gradients(models[1], batch), expected)
    plain, recomputed = (dict(model.named_buffers()) for model in models)
    for name, value in plain.items():
        torch.testing.assert_close(recomputed[name], value, msg=name)


def test_blocks_before_a_boundary(build, batch):
    """Only an early backward pass, as of a cut, needs what they save."""
    stages = copy.deepcopy(STAGES)
    stages[1]['isolate'] = False
    for early, kept in ((True, {1, 3}), (False, set())):
        distiller = lakd(stages, early_backward=early)
        model = build(distiller, resnet(), resnet(), recompute=['blocks'])
        model(*batch, mode='loss')
        names = set(renewed(model.student))
        ends = {s for s in (1, 2, 3) if f'backbone.layer{s}.1' not in names}
        assert ends == kept and 'backbone.layer1.0' in names


@pytest.mark.parametrize(
    'distiller, student',
    [
        (KD, resnet(frozen_stages=4)),
        (lakd(STAGES), classifier(8)),
    ],
    ids=['frozen', 'cut-off'],
)
def test_blocks_of_which_nothing_is_kept(build, batch, distiller, student):
    teacher = classifier(14) if 'local_modules' in distiller else resnet()
    model = build(
        copy.deepcopy(distiller),
        copy.deepcopy(student),
        teacher,
        recompute=['blocks'],
    )
    with pytest.raises(SettingError, match="'blocks', which would have no ef"):
        model(*batch, mode='loss')


def test_a_block_with_a_forward_of_its_own(build, batch):
    """As MMEngine's efficient_conv_bn_eval gives it one."""
    name = 'backbone.layer1.0'
    student = resnet(norm_eval=True)
    model = build(copy.deepcopy(KD), student, resnet(), recompute=['blocks'])
    turn_on_efficient_conv_bn_eval(model.student, name)
    assert 'forward' in vars(model.student.backbone.layer1[0])
    with pytest.raises(SettingError, match=f"but '{name}' has a forward of"):
        model(*batch, mode='loss')


def test_frozen_blocks_behind_one_that_trains(build, batch):
    """What they save is computed again."""
    model = build(copy.deepcopy(KD), resnet(), resnet(), recompute=['blocks'])
    for name, parameter in model.student.named_parameters():
        parameter.requires_grad = 'backbone.layer' not in name
    model(*batch, mode='loss')
    assert 'backbone.layer4.1' in renewed(model.student)
