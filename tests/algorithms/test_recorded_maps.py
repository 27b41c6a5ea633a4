"""Recorders hold the maps that their modules gave, or somebody hears of it."""

import copy

import pytest
from conftest import lakd, total
from torch import nn

from mmrazor_lakd import SettingError


def classifier(backbone, width):
    return dict(
        _scope_='mmpretrain',
        type='ImageClassifier',
        backbone=backbone,
        neck=dict(type='GlobalAveragePooling'),
        head=dict(
            type='LinearClsHead',
            num_classes=10,
            in_channels=width,
            loss=dict(type='CrossEntropyLoss'),
        ),
    )


RESNET = classifier(dict(type='ResNet', depth=18, base_channels=8), 64)
VGG = classifier(dict(type='CIFARVGG', depth=8), 512)
BN1 = 'backbone.layer1.1.bn1'


def distiller(source, kind='ModuleOutputs'):
    """MMRazor's plain distiller, which compares one map."""
    recorders = dict(map=dict(type=kind, source=source))
    data = {} if kind == 'ModuleOutputs' else dict(data_idx=0)
    return dict(
        type='ConfigurableDistiller',
        student_recorders=recorders,
        teacher_recorders=recorders,
        distill_losses=dict(
            loss_map=dict(type='L2Loss', normalize=False, div_element=True)
        ),
        loss_forward_mappings=dict(
            loss_map=dict(
                s_feature=dict(recorder='map', from_student=True, **data),
                t_feature=dict(recorder='map', from_student=False, **data),
            )
        ),
    )


def build_twins(build, network, part, **kwargs):
    """Student and teacher with the same weights, both in eval mode."""
    model = build(part, network, copy.deepcopy(network), **kwargs)
    model.teacher.load_state_dict(model.student.state_dict())
    model.eval()
    model.distiller.train()
    return model


@pytest.mark.parametrize(
    'source, kind',
    [(BN1, 'ModuleOutputs'), ('backbone.layer1.1.relu', 'ModuleInputs')],
)
@pytest.mark.parametrize(
    'algorithm', ['SingleTeacherDistill', 'FrozenTeacherDistill']
)
def test_a_map_before_a_relu(build, batch, algorithm, source, kind):
    """It has negative elements, in all of MMRazor's algorithms."""
    model = build(
        distiller(source, kind),
        RESNET,
        copy.deepcopy(RESNET),
        type=algorithm,
        data_preprocessor=dict(type='mmpretrain.ClsDataPreprocessor'),
    )
    seen = []
    loss = model.distiller.distill_losses.loss_map
    compare = loss.forward
    # not a hook: PyTorch 1.13's are given no keywords
    loss.forward = lambda s_feature, t_feature: (
        seen.extend([s_feature, t_feature]) or compare(s_feature, t_feature)
    )
    for _ in range(2):  # FrozenTeacherDistill changes activations in the first
        model(*batch, mode='loss')
    assert len(seen) == 4 and all(feature.min() < 0 for feature in seen)


@pytest.mark.parametrize(
    'network, source',
    [(RESNET, BN1), (VGG, 'backbone.layer1.0.bn')],
    ids=['ResNet', 'VGG'],
)
def test_equal_networks_have_equal_maps(build, batch, network, source):
    model = build_twins(build, network, distiller(source))
    for _ in range(2):
        losses = model(*batch, mode='loss')
        assert losses['distill.loss_map'] < 1e-8


def test_the_student_keeps_the_activations_that_its_config_has_in_place(
    build, batch
):
    model = build(distiller(BN1), RESNET, RESNET)
    layers = dict(model.student.named_modules())
    relus = {n: m for n, m in layers.items() if isinstance(m, nn.ReLU)}
    assert not any(relu.inplace for relu in relus.values())
    total(model(*batch, mode='loss')).backward()
    in_place = {name for name, relu in relus.items() if relu.inplace}
    assert in_place == set(relus) - {'backbone.layer1.1.relu'}

    plain = build(distiller(BN1), RESNET, RESNET, module_inplace=True)
    with pytest.raises(SettingError, match=BN1):
        plain(*batch, mode='loss')


@pytest.mark.parametrize('role', ['student', 'teacher'])
def test_an_addition_in_place_is_noticed(build, batch, role):
    """mmpretrain's blocks add the shortcut to what bn2 gave."""
    part = distiller(BN1)
    part[f'{role}_recorders'] = dict(
        map=dict(type='ModuleOutputs', source='backbone.layer1.1.bn2')
    )
    model = build(part, RESNET, copy.deepcopy(RESNET))
    with pytest.raises(SettingError) as error:
        model(*batch, mode='loss')
    message = str(error.value)
    assert f"{role}_recorders: what 'map' takes of " in message
    assert "'backbone.layer1.1.bn2' is overwritten in place" in message


def test_no_record_is_held_by_the_watch(build, batch):
    """LAKD lets go of a map when its loss is known; so does the watch."""
    model = build(lakd())
    model(*batch, mode='loss')
    for manager in (
        model.distiller.student_recorders,
        model.distiller.teacher_recorders,
    ):
        assert not any(r.data_buffer for r in manager.recorders.values())


def test_the_first_of_several_records_is_told(build, batch, warnings):
    """A neck over three maps pools three times; a head uses the last."""
    backbone = dict(type='CIFARResNet', depth=8, out_indices=(0, 1, 2))
    part = distiller('neck.gap')
    model = build_twins(build, classifier(backbone, 64), part)
    model(*batch, mode='loss')
    assert sum('record_idx=2 for the' in text for text in warnings()) == 2
    for entry in part['loss_forward_mappings']['loss_map'].values():
        entry['record_idx'] = 2
    model = build_twins(build, classifier(backbone, 64), part)
    model(*batch, mode='loss')
    assert sum('record_idx=2 for the' in text for text in warnings()) == 2
