"""What student's and teacher's configs say has effect, or is refused."""

import pytest
import torch
from conftest import LOGITS_KD, classifier, lakd, total
from mmpretrain.structures import DataSample

from mmrazor_lakd import SettingError
from mmrazor_lakd.checkpoints.model_configs import read_network

KD = dict(type='ConfigurableDistiller', **LOGITS_KD)
PRE = dict(type='mmpretrain.ClsDataPreprocessor', num_classes=10, mean=[0.0])
PRE = dict(PRE, std=[1.0])
ZOO = 'mmpretrain::resnet/resnet18_8xb16_cifar10.py'
MIXUP = dict(augments=dict(type='Mixup', alpha=0.8))


def test_keys_beside_cfg_path(build):
    network = dict(
        cfg_path=ZOO,
        pretrained=False,
        head=dict(num_classes=4),
        backbone=dict(frozen_stages=1),
    )
    model = build(KD, network, network)
    for part in (model.student, model.teacher):
        assert part.head.num_classes == 4
        assert part.head.fc.out_features == 4
        assert part.backbone.frozen_stages == 1
    assert network['head'] == dict(num_classes=4)


def test_cfg_path_of_an_own_file(build, tmp_path):
    own = tmp_path / 'own.py'
    own.write_text(
        f"default_scope = 'mmpretrain'\nmodel = {classifier(14)!r}\n"
    )
    model = build(KD, dict(cfg_path=str(own), backbone=dict(depth=8)))
    assert model.student.backbone.depth == 8
    model = build(lakd(), dict(cfg_path=str(own)))
    assert model.student.backbone.depth == 14


@pytest.mark.parametrize(
    'network, message',
    [
        (dict(cfg_path='own.py'), "cfg_path='own.py' does not exist"),
        (dict(cfg_path=ZOO, type='ImageClassifier'), 'cfg_path and a type'),
        (
            dict(cfg_path='mmfoo::a/b.py'),
            "the package 'mmfoo' is not installed",
        ),
        (
            dict(cfg_path='mmpretrain::resnet/resnet1.py'),
            'can not be read',
        ),
    ],
)
def test_a_cfg_path_that_leads_nowhere(build, network, message):
    with pytest.raises(SettingError, match=message):
        build(KD, network)


def test_a_setting_called_pretrained(tmp_path):
    """What asks for published weights is a bool; this is the network's."""
    own = tmp_path / 'own.py'
    own.write_text(f"model = dict({classifier(14)!r}, pretrained='a.pth')\n")
    read = read_network(dict(cfg_path=str(own), pretrained=None), 'teacher')
    assert read.model['pretrained'] is None


def test_published_weights_of_an_own_file(build, tmp_path):
    own = tmp_path / 'own.py'
    own.write_text(f'model = {classifier(14)!r}\n')
    with pytest.raises(SettingError, match='leave pretrained out'):
        build(KD, dict(cfg_path=str(own), pretrained=True))
    own.write_text('lr = 1\n')
    with pytest.raises(SettingError, match='has no model'):
        build(KD, dict(cfg_path=str(own)))


def test_the_student_s_mixup_is_in_effect(build):
    student = dict(classifier(8), train_cfg=MIXUP)
    model = build(KD, student, data_preprocessor=PRE)
    assert (
        type(model.data_preprocessor.batch_augments.augments[0]).__name__
        == 'Mixup'
    )
    data = dict(
        inputs=[torch.full((3, 32, 32), float(i)) for i in range(4)],
        data_samples=[DataSample().set_gt_label(i) for i in range(4)],
    )
    data = model.data_preprocessor(data, training=True)
    assert all('gt_score' in sample for sample in data['data_samples'])
    assert torch.isfinite(total(model(**data, mode='loss')))
    # without one at the top level, the student's own is in effect
    model = build(KD, student)
    assert model.data_preprocessor is model.student.data_preprocessor


def test_two_augmentations_that_differ(build):
    student = dict(classifier(8), train_cfg=MIXUP)
    other = dict(augments=dict(type='CutMix', alpha=1.0))
    build(KD, student, data_preprocessor=dict(PRE, batch_augments=MIXUP))
    with pytest.raises(SettingError, match='only one of them'):
        build(KD, student, data_preprocessor=dict(PRE, batch_augments=other))


@pytest.mark.parametrize('role', ['student', 'teacher'])
def test_a_preprocessor_without_effect(build, role):
    own = dict(classifier(8), data_preprocessor=dict(PRE, mean=[1.0]))
    with pytest.raises(SettingError, match='no effect.*differs.* in mean;'):
        build(KD, data_preprocessor=PRE, **{role: own})
    own['data_preprocessor'] = PRE
    build(KD, data_preprocessor=PRE, **{role: own})
    # the same, otherwise written
    own['data_preprocessor'] = dict(PRE, mean=(0.0,), to_rgb=False)
    build(KD, data_preprocessor=PRE, **{role: own})


def test_a_teachers_file_has_its_preprocessor_beside_the_model(
    build, tmp_path
):
    """As mmpretrain's have; a Runner would add it to the model."""
    path = tmp_path / 'teacher.py'
    path.write_text(
        f"default_scope = 'mmpretrain'\nmodel = {classifier(14)!r}\n"
        f'data_preprocessor = dict(mean=[3.0], std=[1.0], to_rgb=True)\n'
    )
    teacher = dict(cfg_path=str(path))
    with pytest.raises(SettingError, match='teacher.*no effect.* in mean;'):
        build(KD, data_preprocessor=PRE, teacher=teacher)
    build(KD, data_preprocessor=dict(PRE, mean=[3.0]), teacher=teacher)
    build(
        KD,
        data_preprocessor=PRE,
        teacher=dict(teacher, data_preprocessor=None),
    )


def test_a_loss_that_is_none(build):
    renamed = {
        **KD,
        'distill_losses': dict(kd=KD['distill_losses']['loss_kd']),
        'loss_forward_mappings': dict(
            kd=KD['loss_forward_mappings']['loss_kd']
        ),
    }
    with pytest.raises(SettingError, match="'kd' would be logged.*'loss_kd'"):
        build(renamed)


def test_a_teacher_in_train_mode(build, batch):
    """It sees the batch's statistics, and keeps its own as they are."""
    model = build(lakd(**LOGITS_KD), teacher_train_mode=True)
    teacher = model.teacher
    before = {k: v.clone() for k, v in teacher.state_dict().items()}
    model.train()
    total(model(*batch, mode='loss')).backward()
    assert all(module.training for module in teacher.modules())
    for name, value in teacher.state_dict().items():
        if 'num_batches' not in name:
            assert torch.equal(value, before[name]), name
    recorders = model.distiller.teacher_recorders
    with torch.no_grad(), recorders:
        trained = teacher(batch[0], mode='tensor')
        model.eval()
        assert not any(module.training for module in teacher.modules())
        assert not torch.allclose(trained, teacher(batch[0], mode='tensor'))
    # as PyTorch computes it
    teacher.train()
    norm, image = teacher.backbone.bn1, torch.randn(4, 16, 8, 8)
    expected = torch.nn.functional.batch_norm(
        image, None, None, norm.weight, norm.bias, training=True
    )
    torch.testing.assert_close(norm(image), expected)
