"""The literature's methods as distillers: shapes, gradients, the teacher."""

import copy

import pytest
import torch
from conftest import ROOT, classifier, total
from mmengine.config import Config
from torch import nn

from mmrazor_lakd import SettingError
from mmrazor_lakd.backbones.stages import Stages
from mmrazor_lakd.connectors import MarginConnector, expected_negative
from mmrazor_lakd.distillers.named_stages import expand_stages

pytestmark = pytest.mark.usefixtures('no_training_under_way')

METHODS = ['kd', 'fitnet', 'at', 'rkd', 'ofd', 'reviewkd', 'dkd', 'dist']


def distiller(method, **changes):
    """The distiller of a method's config, its three stages written out."""
    path = ROOT / f'configs/_base_/distillers/{method}.py'
    written = Config.fromfile(path)[f'{method}_distiller'].to_dict()
    return {**expand_stages(written, Stages(), Stages()), **changes}


def wide():
    """A teacher four times as wide as the student."""
    return classifier('8x4', width=256)


@pytest.mark.parametrize('unequal', [False, True])
@pytest.mark.parametrize('method', METHODS)
def test_gradients_reach_student_and_connectors_alone(
    build, batch, method, unequal
):
    model = build(distiller(method), teacher=wide() if unequal else None)
    losses = {
        name: value
        for name, value in model.loss(*batch).items()
        if name.startswith('distill.')
    }
    assert set(losses) == {
        f'distill.{name}' for name in distiller(method)['distill_losses']
    }
    total(losses).backward()
    # The head is not taught by what looks at features alone.
    features = method in ('fitnet', 'at', 'rkd', 'ofd', 'reviewkd')
    for name, param in model.student.named_parameters():
        deeper = method == 'fitnet' and 'layer3' in name
        if (features and name.startswith('head')) or deeper:
            assert param.grad is None or (param.grad == 0).all()
        else:
            assert param.grad.abs().sum() > 0, name
    for name, param in model.distiller.named_parameters():
        assert param.grad is not None, name
        if not name.endswith('conv.bias'):
            assert param.grad.isfinite().all()
    assert all(param.grad is None for param in model.teacher.parameters())


@pytest.mark.parametrize('method', METHODS)
def test_teacher_and_student_see_one_batch(build, batch, method):
    model = build(distiller(method))
    seen = {}
    for role in ('teacher', 'student'):
        getattr(model, role).backbone.register_forward_pre_hook(
            lambda module, inputs, role=role: seen.update({role: inputs[0]})
        )
    model.loss(*batch)
    assert seen['teacher'] is seen['student'] is batch[0]


@pytest.mark.parametrize('method', ['fitnet', 'ofd', 'reviewkd'])
def test_connectors_are_saved_and_trained(build, method):
    model = build(distiller(method))
    saved = model.state_dict()
    trained = {id(param) for param in model.parameters()}
    connectors = dict(model.distiller.connectors.named_parameters())
    assert connectors
    for name, param in connectors.items():
        assert f'distiller.connectors.{name}' in saved
        assert id(param) in trained
    teacher = {id(param) for param in model.teacher.parameters()}
    assert not teacher & trained
    other = build(distiller(method), seed=1)
    other.load_state_dict(saved)


def test_widths_are_found(build):
    model = build(distiller('ofd'), teacher=wide())
    convs = [
        model.distiller.connectors[f'align{i}'].conv_module.conv
        for i in (1, 2, 3)
    ]
    assert [(c.in_channels, c.out_channels) for c in convs] == [
        (16, 64),
        (32, 128),
        (64, 256),
    ]
    assert not any(
        recorder.data_buffer
        for manager in (
            model.distiller.student_recorders,
            model.distiller.teacher_recorders,
        )
        for recorder in manager.recorders.values()
    )


def test_vectors_lengths_are_found(build):
    """CRD's loss has a third input, so that each side has its own width."""
    model = build(distiller('crd'), teacher=wide())
    connectors = model.distiller.connectors
    assert connectors['crd_student'].linear.in_features == 64
    assert connectors['crd_teacher'].linear.in_features == 256


def test_what_is_typed_stays(build):
    cfg = distiller('fitnet')
    cfg['connectors'] = dict(
        regressor=dict(type='ConvModuleConnector', out_channel=64),
    )
    model = build(cfg, student=classifier(8), teacher=wide())
    conv = model.distiller.connectors['regressor'].conv_module.conv
    assert (conv.in_channels, conv.out_channels) == (32, 64)


def set_norms(teacher):
    """Give the teacher what training would: norms of their own."""
    generator = torch.Generator().manual_seed(5)
    for module in teacher.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data.uniform_(0.2, 2, generator=generator)
            module.bias.data.normal_(generator=generator)
            module.running_mean.normal_(generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)


def test_ofd_margins_are_those_of_the_loaded_teacher(build, batch, tmp_path):
    """Not those before loading, and not gone when the norms are folded."""
    teacher = build(distiller('kd')).teacher
    set_norms(teacher)
    path = tmp_path / 'teacher.pth'
    torch.save(dict(state_dict=teacher.state_dict()), path)
    expected = [
        expected_negative(getattr(teacher.backbone, f'layer{i}')[1].bn2)
        for i in (1, 2, 3)
    ]
    losses = []
    for fold in (True, False):
        model = build(
            distiller('ofd'), teacher_ckpt=str(path), fuse_teacher=fold
        )
        losses.append(total(model.loss(*batch)))
        norms = [
            m for m in model.teacher.modules() if isinstance(m, nn.BatchNorm2d)
        ]
        assert bool(norms) != fold
        for index, margin in enumerate(expected, 1):
            connector = model.distiller.connectors[f'margin{index}']
            assert isinstance(connector, MarginConnector)
            found = expected_negative(connector._norm[0])
            torch.testing.assert_close(found, margin)
        copied = copy.deepcopy(model)
        torch.testing.assert_close(
            total(copied.loss(*batch)), total(model.loss(*batch))
        )
    torch.testing.assert_close(*losses)


def test_methods_run_in_bfloat16(build, batch):
    for method in METHODS:
        model = build(distiller(method))
        with torch.autocast('cpu', torch.bfloat16):
            losses = model.loss(*batch)
        for name, value in losses.items():
            if name.startswith('distill.'):
                assert value.dtype == torch.float32, name
                assert value.isfinite(), name


def test_a_student_alone_needs_no_shapes(build, batch):
    model = build(dict(type='FeatureDistiller'))
    assert set(model.loss(*batch)) == {'student.loss'}


@pytest.mark.parametrize(
    'recorders, message',
    [
        (['stage1', 'stag2'], "s_features has no recorder 'stag2'.*stage2"),
        ([], 's_features has no recorder'),
    ],
)
def test_unknown_recorders_are_refused(build, recorders, message):
    cfg = copy.deepcopy(distiller('reviewkd'))
    cfg['loss_forward_mappings']['loss_review']['s_features']['recorder'] = (
        recorders
    )
    with pytest.raises(SettingError, match=message):
        build(cfg)


def test_unequal_lists_are_refused(build):
    cfg = copy.deepcopy(distiller('reviewkd'))
    cfg['loss_forward_mappings']['loss_review']['s_features']['recorder'] = [
        'stage1',
        'stage2',
    ]
    with pytest.raises(SettingError, match='2 and 4'):
        build(cfg)
