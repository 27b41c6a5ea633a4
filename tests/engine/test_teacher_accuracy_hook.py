"""The teacher is evaluated once, by a real Runner on real digits."""

import re

import pytest
from conftest import LOCAL_MODULES, ROOT, classifier, read_config
from mmengine.logging import MMLogger
from mmengine.runner import Runner

KD = ROOT / 'configs/kd/kd_resnet20_resnet8_1xb64_digits.py'


@pytest.fixture
def train(tmp_path):
    def _train(**options):
        cfg = read_config(KD)
        cfg.work_dir = str(tmp_path)
        cfg.experiment_name = f'{tmp_path.name}_{len(options)}'
        cfg.model.teacher_ckpt = None
        cfg.merge_from_dict(
            {
                'train_cfg.max_epochs': 2,
                'train_dataloader.dataset.indices': 64,
                'val_dataloader.dataset.indices': 64,
                **options,
            }
        )
        runner = Runner.from_cfg(cfg)
        runner.train()
        for handler in MMLogger.get_current_instance().handlers:
            handler.flush()
        return ''.join(p.read_text() for p in tmp_path.rglob('*.log'))

    return _train


def test_once_and_not_when_resumed(train):
    constant = dict(param_scheduler=None)
    log = train(**constant)
    found = re.findall(
        r'The teacher on the val.* teacher/accuracy/top1 (\S+)', log
    )
    assert len(found) == 1 and 0 <= float(found[0].rstrip(',')) <= 100
    assert len(re.findall(r'Epoch\(val\)', log)) >= 2
    log = train(resume=True, **constant, **{'train_cfg.max_epochs': 3})
    assert log.count('The teacher on the validation data') == 1


def test_one_value_a_class_is_left_to_mmengine(train):
    evaluators = [
        dict(type='mmpretrain.Accuracy'),
        dict(type='mmpretrain.SingleLabelMetric', average=None),
    ]
    log = train(val_evaluator=evaluators, **{'train_cfg.max_epochs': 1})
    assert re.search(r'The teacher on the val.* teacher/accuracy/top1 ', log)
    assert 'teacher/single-label' not in log


def test_a_teacher_of_other_classes_has_none(train):
    """Maps alone are learned from it."""
    options = {
        'model.teacher.head.num_classes': 3,
        'model.distiller': dict(
            _delete_=True, type='LAKDDistiller', local_modules=LOCAL_MODULES
        ),
    }
    log = train(**options, **{'train_cfg.max_epochs': 1})
    assert 'The teacher on the validation data' not in log
    assert 'distill.module1.loss' in log


def test_several_teachers(train):
    """Their mean is evaluated as one teacher is."""
    options = {
        'model.teacher': [classifier(8), classifier(20)],
        'model.distiller.teacher_recorders.logits.source': 'head',
    }
    log = train(**options, **{'train_cfg.max_epochs': 1})
    assert re.search(r'The teacher on the val.* teacher/accuracy/top1 ', log)
