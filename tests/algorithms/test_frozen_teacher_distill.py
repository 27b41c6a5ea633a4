"""The teacher: frozen as a whole, and loaded exactly or not at all."""

import pytest
import torch
from conftest import LOGITS_KD, classifier, lakd, total
from mmengine.runner import save_checkpoint
from mmpretrain.registry import MODELS

from mmrazor_lakd import SettingError
from mmrazor_lakd.algorithms import check_checkpoint


@pytest.fixture
def teacher_ckpt(tmp_path):
    """A checkpoint of a ResNet14."""
    torch.manual_seed(5)
    path = tmp_path / 'teacher.pth'
    model = MODELS.build(classifier(14))
    model.init_weights()
    save_checkpoint(dict(meta={}, state_dict=model.state_dict()), str(path))
    return path


def test_teacher_is_loaded_and_frozen(build, batch, teacher_ckpt):
    model = build(lakd(**LOGITS_KD), teacher_ckpt=str(teacher_ckpt))
    saved = torch.load(teacher_ckpt)['state_dict']
    assert not any(m.training for m in model.teacher.modules())
    assert model.student.training
    for name, value in model.teacher.state_dict().items():
        assert torch.equal(value, saved[name]), name
    total(model(*batch, mode='loss')).backward()
    assert all(p.grad is None for p in model.teacher.parameters())


def test_a_distilled_student_can_be_the_teacher(build, tmp_path):
    first = build(lakd(), student=classifier(14), seed=1)
    path = tmp_path / 'distilled.pth'
    save_checkpoint(dict(state_dict=first.state_dict()), str(path))
    second = build(lakd(), teacher_ckpt=str(path), seed=2)
    for name, value in second.teacher.state_dict().items():
        assert torch.equal(value, first.student.state_dict()[name])


def test_testing_needs_no_teacher_file(build):
    """The file is asked for when training begins, not when building."""
    from mmrazor.registry import MODELS as RAZOR

    model = RAZOR.build(
        dict(
            _scope_='mmrazor',
            type='FrozenTeacherDistill',
            architecture=classifier(8),
            teacher=classifier(14),
            teacher_ckpt='missing.pth',
            distiller=lakd(),
        )
    )
    with pytest.raises(SettingError, match="teacher_ckpt='missing.pth' does"):
        model.init_weights()


def test_truncated_checkpoint(build, teacher_ckpt):
    data = teacher_ckpt.read_bytes()
    for length in (0, 10, len(data) // 2, len(data) - 1):
        teacher_ckpt.write_bytes(data[:length])
        with pytest.raises(
            SettingError, match='is truncated or no checkpoint'
        ):
            build(lakd(), teacher_ckpt=str(teacher_ckpt))


def test_no_checkpoint_at_all(build, teacher_ckpt):
    teacher_ckpt.write_text('accuracy: 93.2')
    with pytest.raises(SettingError, match='no checkpoint of PyTorch'):
        build(lakd(), teacher_ckpt=str(teacher_ckpt))


def test_checkpoint_of_another_architecture(build, teacher_ckpt):
    with pytest.raises(SettingError) as error:
        build(lakd(), teacher=classifier(20), teacher_ckpt=str(teacher_ckpt))
    # three blocks of ten tensors that hold weights or statistics
    assert "than the teacher's: of" in str(error.value)
    assert '30 missing (first: backbone.layer1.2.conv1' in str(error.value)

    with pytest.raises(SettingError, match='of another shape.*conv1.weight'):
        build(
            lakd(),
            teacher=classifier('8x4', width=256),
            teacher_ckpt=str(teacher_ckpt),
        )


def test_check_checkpoint(build, teacher_ckpt):
    check_checkpoint(
        MODELS.build(classifier(14)), str(teacher_ckpt), '--resume'
    )
    with pytest.raises(SettingError, match='--resume=.*unexpected'):
        check_checkpoint(
            MODELS.build(classifier(8)), str(teacher_ckpt), '--resume'
        )
