"""Settings that no loss can be computed with, and maps that teach nothing."""

import math

import numpy as np
import pytest
import torch
from conftest import LOGITS_KD, build_model, lakd
from mmpretrain.structures import DataSample
from mmrazor.registry import MODELS
from torch import nn

from mmrazor_lakd import SettingError
from mmrazor_lakd.losses import (
    AttentionTransferLoss,
    ClassAttentionLoss,
    ContrastiveLoss,
    CorrelationCongruenceLoss,
    DecoupledKDLoss,
    HierarchicalContextLoss,
    LocalClassifierLoss,
    LocalFeatureLoss,
    LogitsKDLoss,
    NDAMLoss,
    NeuronSelectivityLoss,
    PartialSquareLoss,
    ProbabilisticTransferLoss,
    RefinedLogitsLoss,
    RelationalAngleLoss,
    RelationalDistanceLoss,
    RepresentationMatchingLoss,
    ReusedClassifierLoss,
    ScaleDecoupledDKDLoss,
    ScaleDecoupledKDLoss,
    SimilarityPreservingLoss,
    SoftmaxRegressionLoss,
    StrongerTeacherLoss,
    TeacherMatchingLoss,
    VariationalInformationLoss,
    WarmupLoss,
    WassersteinFeatureLoss,
    WassersteinLogitsLoss,
    check_losses,
    check_map,
)


def contrastive(**kwargs):
    return ContrastiveLoss(40, 12, dim=6, seed=3, **kwargs)


def classifier(**kwargs):
    return LocalClassifierLoss(4, 3, **kwargs)


def similarity():
    """SP, with a weight that goes with the bounds of the others."""
    return SimilarityPreservingLoss(100.0)


def transfer():
    """PKT, likewise."""
    return ProbabilisticTransferLoss(100.0)


LOSSES = [
    AttentionTransferLoss, DecoupledKDLoss, HierarchicalContextLoss,
    LocalFeatureLoss, LogitsKDLoss, NDAMLoss, PartialSquareLoss,
    RelationalAngleLoss, RelationalDistanceLoss, StrongerTeacherLoss,
    TeacherMatchingLoss, ProbabilisticTransferLoss, SimilarityPreservingLoss,
    SoftmaxRegressionLoss,
    VariationalInformationLoss, NeuronSelectivityLoss,
    CorrelationCongruenceLoss, RefinedLogitsLoss, ScaleDecoupledKDLoss,
    ScaleDecoupledDKDLoss, WassersteinFeatureLoss, WassersteinLogitsLoss,
    ClassAttentionLoss, ReusedClassifierLoss, RepresentationMatchingLoss,
    contrastive, classifier,
]  # fmt: skip


@pytest.mark.parametrize('loss', LOSSES)
@pytest.mark.parametrize(
    'weight', [math.nan, math.inf, -1.0, 'abc', '1.0', True, None]
)
def test_a_weight_is_a_finite_number(loss, weight):
    with pytest.raises(SettingError, match=f'loss_weight={weight!r};'):
        loss(loss_weight=weight)


@pytest.mark.parametrize('loss', LOSSES)
@pytest.mark.parametrize('weight', [0, 2, np.float32(0.5)])
def test_numbers_of_all_kinds_are_taken(loss, weight):
    assert loss(loss_weight=weight).loss_weight == weight


@pytest.mark.parametrize(
    'loss, name',
    [
        (DecoupledKDLoss, 'tau'),
        (RefinedLogitsLoss, 'tau'),
        (WassersteinLogitsLoss, 'tau'),
        (LogitsKDLoss, 'tau'),
        (StrongerTeacherLoss, 'tau'),
        (TeacherMatchingLoss, 'gamma'),
        (classifier, 'tau'),
        (contrastive, 'temperature'),
        (PartialSquareLoss, 'mul_factor'),
    ],
)
@pytest.mark.parametrize('value', [0, -4.0, math.nan, math.inf, '4'])
def test_a_divisor_is_above_0(loss, name, value):
    with pytest.raises(SettingError, match=f'{name}={value!r}; .* above 0'):
        loss(**{name: value})


@pytest.mark.parametrize(
    'loss, options',
    [
        (AttentionTransferLoss, dict(p=math.nan)),
        (StrongerTeacherLoss, dict(inter_loss_weight=-1)),
        (StrongerTeacherLoss, dict(intra_loss_weight=math.nan)),
        (DecoupledKDLoss, dict(alpha=math.nan)),
        (SoftmaxRegressionLoss, dict(beta=-1.0)),
        (ClassAttentionLoss, dict(resolution=0)),
        (ClassAttentionLoss, dict(resolution=2.0)),
        (contrastive, dict(momentum=math.nan)),
        (NDAMLoss, dict(alpha='half')),
    ],
)
def test_other_settings(loss, options):
    ((name, value),) = options.items()
    with pytest.raises(SettingError, match=f'{name}={value!r};'):
        loss(**options)


@pytest.mark.parametrize('loss', LOSSES)
@pytest.mark.parametrize('weight', [1e18, 2**63, 1e300, 10**400])
def test_a_weight_that_overflows(loss, weight):
    """An integer that no float can hold was PyTorch's OverflowError."""
    with pytest.raises(SettingError, match='loss_weight=.*; write a finite'):
        loss(loss_weight=weight)


@pytest.mark.parametrize(
    'loss, name',
    [
        (LogitsKDLoss, 'teacher_detach'),
        (StrongerTeacherLoss, 'teacher_detach'),
        (TeacherMatchingLoss, 'weighted'),
    ],
)
@pytest.mark.parametrize('value', ['no', 0, None])
def test_a_switch_is_true_or_false(loss, name, value):
    """Any text would be True."""
    with pytest.raises(SettingError, match=f'{name}={value!r}; .*{name}=True'):
        loss(**{name: value})


@pytest.mark.parametrize('loss', [DecoupledKDLoss, LogitsKDLoss])
@pytest.mark.parametrize('value', [0, 1, 'yes', None, ['paper']])
def test_a_choice_is_of_the_right_type(loss, value):
    """0 is equal to False, but was no False."""
    with pytest.raises(SettingError, match='standardize='):
        loss(standardize=value)


@pytest.mark.parametrize('name', ['in_channels', 'num_classes'])
@pytest.mark.parametrize('value', [0, -1, 2.5, '3', True, 2**40, 10**400])
def test_a_width_is_a_whole_number(name, value):
    given = dict(dict(in_channels=4, num_classes=3), **{name: value})
    with pytest.raises(SettingError, match=f'{name}={value!r}; write an int'):
        LocalClassifierLoss(**given)


@pytest.mark.parametrize('name', ['num_samples', 'dim', 'seed'])
def test_sizes_and_seeds_beyond_any_memory(name):
    given = dict(dict(num_samples=40, num_negatives=12), **{name: 2**70})
    with pytest.raises(SettingError, match=f'{name}={2**70}; .* below'):
        ContrastiveLoss(**given)


@pytest.mark.parametrize('loss', [5, None, 'DecoupledKDLoss', {}, dict(tau=4)])
def test_what_is_warmed_up_is_a_config(loss):
    with pytest.raises(SettingError, match='WarmupLoss has loss=.*type='):
        WarmupLoss(loss, epochs=20)


def test_a_classifier_of_another_width():
    loss, feature = LocalClassifierLoss(5, 3), torch.ones(2, 4, 3, 3)
    with pytest.raises(SettingError, match='in_channels=5, but .* 4 channels'):
        loss(feature, torch.zeros(2, 3), [])


def test_an_unknown_reduction():
    with pytest.raises(SettingError, match="reduction='avg'.*'batchmean'"):
        LogitsKDLoss(reduction='avg')


@pytest.mark.parametrize(
    'cfg, words',
    [
        (dict(type='KLDivergence', tau=0), r'\(KLDivergence\) has tau=0;'),
        (dict(type='DKDLoss', beta=math.nan), r'\(DKDLoss\) has beta=nan;'),
        (dict(type='L2Loss', loss_weight='abc'), "loss_weight='abc';"),
        (dict(type='MGDLoss', alpha_mgd=-1.0), 'alpha_mgd=-1.0;'),
        (dict(type='OFDLoss', mul_factor=0), 'mul_factor=0;'),
        (dict(type='ABLoss', margin=math.inf), 'margin=inf;'),
        (
            dict(type='WarmupLoss', iters=9, loss=dict(type='DKDLoss', tau=0)),
            r'\(DKDLoss\) has tau=0;',
        ),
    ],
)
def test_stock_losses_are_checked_under_their_name(cfg, words):
    losses = nn.ModuleDict(
        {'loss_x': MODELS.build({'_scope_': 'mmrazor', **cfg})}
    )
    with pytest.raises(
        SettingError, match=rf'distill_losses\.loss_x .*{words}'
    ):
        check_losses(losses)


def test_losses_of_other_origin_are_left_alone():
    class Focal(nn.Module):
        alpha, loss_weight = -1, 'auto'

    check_losses(nn.ModuleDict({'loss_focal': Focal()}))


def test_the_algorithm_checks_stock_losses():
    distiller = lakd(**LOGITS_KD)
    loss = dict(type='KLDivergence', tau=-1)
    distiller['distill_losses'] = dict(loss_kd=loss)
    with pytest.raises(SettingError, match=r'distill_losses\.loss_kd.*tau=-1'):
        build_model(distiller)


# --------------------------------------------------------------------- maps


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
@pytest.mark.parametrize('value', [0.0, 3.0, -0.125])
def test_a_constant_map_is_refused(dtype, value):
    feature = torch.full((4, 8, 6, 6), value, dtype=dtype)
    with pytest.raises(SettingError, match=f"^The 'x' gives .* {value:.4g}"):
        check_map(feature, "The 'x'")
    feature[0, 0, 0, 0] += 1  # one activation teaches something
    check_map(feature, "The 'x'")


@pytest.mark.parametrize('value', [math.nan, math.inf, -math.inf])
def test_a_map_that_is_not_finite_is_the_hooks_business(value):
    check_map(torch.full((2, 3, 4, 4), value), "The 'x'")


def test_the_algorithm_checks_the_teachers_maps(batch):
    """In the first step, before a loss is computed."""
    model = build_model(lakd())
    nn.init.zeros_(model.teacher.backbone.conv1.weight)
    words = r"The teacher's 'backbone\.layer1\.preact' gives a map that is 0 "
    with pytest.raises(SettingError, match=words):
        model(*batch, mode='loss')


def run(loss, s, t):
    samples = [DataSample(metainfo=dict(sample_idx=i)) for i in range(5)]
    if isinstance(loss, ContrastiveLoss):
        loss.sampler.take_labels(torch.arange(40) % 4)
        return loss(s, t, samples)
    if isinstance(loss, (DecoupledKDLoss, RefinedLogitsLoss)):
        return loss(s, t, torch.tensor([1, 0, 3, 2, 1]))
    if isinstance(loss, ClassAttentionLoss):
        return loss(s, t, torch.eye(6), torch.eye(6))
    if isinstance(loss, HierarchicalContextLoss):
        return loss([s], [t])
    return loss(s, t)


@pytest.mark.parametrize('scale', [0.0, 1e-20, 1.0])
@pytest.mark.parametrize('constant', [0.0, 1.0])
@pytest.mark.parametrize(
    'make',
    [
        (AttentionTransferLoss, (5, 6, 4, 4)),
        (NeuronSelectivityLoss, (5, 6, 4, 4)),
        (WassersteinFeatureLoss, (5, 6, 4, 4)),
        (PartialSquareLoss, (5, 6, 4, 4)),
        (ClassAttentionLoss, (5, 6, 4, 4)),
        (HierarchicalContextLoss, (5, 6, 4, 4)),
        (RelationalDistanceLoss, (5, 6)),
        (RelationalAngleLoss, (5, 6)),
        (similarity, (5, 6)),
        (transfer, (5, 6)),
        (CorrelationCongruenceLoss, (5, 6)),
        (StrongerTeacherLoss, (5, 6)),
        (LogitsKDLoss, (5, 6)),
        (DecoupledKDLoss, (5, 6)),
        (TeacherMatchingLoss, (5, 6)),
        (RefinedLogitsLoss, (5, 6)),
        (contrastive, (5, 6)),
    ],
    ids=lambda make: make[0].__name__,
)
def test_other_losses_of_a_constant_map_stay_small(make, constant, scale):
    """Whatever the student's map: of ordinary size, all but 0, or 0."""
    loss, shape = make[0](), make[1]
    generator = torch.Generator().manual_seed(0)
    s = scale * torch.randn(shape, generator=generator)
    s.requires_grad_()
    value = run(loss, s, torch.full(shape, constant))
    (grad,) = torch.autograd.grad(value, s)
    assert value.abs() < 100
    # the distances' mean is clamped at 1e-12: no map in use comes near it
    if not (isinstance(loss, RelationalDistanceLoss) and scale == 1e-20):
        assert grad.abs().max() < 1e4
