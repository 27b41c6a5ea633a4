"""Numbers of classes of the networks against those of a real data set."""

import pytest
import torch
from conftest import LOGITS_KD, ROOT, classifier, lakd
from mmengine.config import Config
from mmengine.runner import Runner
from short_training import run_shortly

from mmrazor_lakd import SettingError
from mmrazor_lakd.engine import ClassCountHook
from mmrazor_lakd.engine.hooks.class_count_hook import class_counts

DATA = Config.fromfile(ROOT / 'configs/kd/kd_resnet20_resnet8_1xb64_digits.py')
CLASSIFIER = dict(type='LocalClassifierLoss')
LABELS_ALONE = dict(CLASSIFIER, label_weight=1.0, kd_weight=0.0)


def check(tmp_path, build, distiller, **networks):
    """What the hook says before a training on digits."""
    runner = Runner(
        model=build(distiller, **networks),
        work_dir=str(tmp_path),
        train_dataloader=DATA.train_dataloader,
        train_cfg=DATA.train_cfg,
        optim_wrapper=DATA.optim_wrapper,
        experiment_name=str(tmp_path).replace('/', '_'),
        default_scope='mmpretrain',
    )
    ClassCountHook().before_train(runner)


@pytest.mark.parametrize(
    'distiller, type',
    [
        (lakd(), 'FrozenTeacherDistill'),
        (lakd(), 'SingleTeacherDistill'),
        (lakd(classifier_loss=LABELS_ALONE), 'FrozenTeacherDistill'),
    ],
)
def test_a_teacher_of_maps_may_know_other_classes(
    tmp_path, build, distiller, type
):
    teacher = classifier(8, num_classes=7)
    check(tmp_path, build, distiller, teacher=teacher, type=type)


@pytest.mark.parametrize(
    'distiller, loss',
    [
        (dict(type='ConfigurableDistiller', **LOGITS_KD), 'loss_kd'),
        (lakd(**LOGITS_KD), 'loss_kd'),
        (lakd(classifier_loss=CLASSIFIER), 'local_modules.0..classifier_loss'),
    ],
)
def test_a_teacher_of_logits_may_not(tmp_path, build, distiller, loss):
    model = build(distiller)
    model.teacher.head.num_classes = 7  # LAKD's build refuses a real one
    with pytest.raises(
        SettingError,
        match=f"teacher.head.num_classes is 7, .*Digits has 10 classes, and '"
        f"{loss}' compares its logits; set num_classes=10",
    ):
        check(tmp_path, lambda *args, **kwargs: model, distiller)


def test_a_student_never(tmp_path, build):
    student = classifier(8, num_classes=7)
    with pytest.raises(
        SettingError,
        match='architecture.head.num_classes is 7, but the data set Digits '
        'has 10 classes; set num_classes=10 in the config',
    ):
        check(tmp_path, build, lakd(), student=student)


def test_an_rpn_has_classes_of_its_own(build):
    model = build(lakd())
    model.student.rpn_head = torch.nn.Identity()
    model.student.rpn_head.num_classes = 1
    assert {count for _, count in class_counts(model)} == {10}


def test_data_without_metainfo_are_trained(build, tmp_path):
    run_shortly(build(lakd()), tmp_path, custom_hooks=[ClassCountHook()])
