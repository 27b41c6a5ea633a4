"""Agreement with the teacher, by a real Runner and the digits config."""

import math

import pytest
import torch
from conftest import ROOT, classifier, read_config
from mmengine.registry import METRICS
from mmengine.runner import Runner, save_checkpoint
from mmpretrain.registry import METRICS as OF_MMPRETRAIN
from mmpretrain.registry import MODELS

from mmrazor_lakd import SettingError
from mmrazor_lakd.config_check.agreement import check_agreement
from mmrazor_lakd.engine import TeacherAgreement

LAKD = ROOT / 'configs/lakd/lakd_resnet20_resnet8_1xb64_digits.py'
PAGE = ROOT / 'docs/en/user_guides/analyze.md'


@pytest.fixture
def runner(tmp_path):
    """A Runner with the evaluators that the page shows."""

    def _runner(**options):
        teacher = MODELS.build(classifier(20))
        teacher.init_weights()
        torch.nn.init.normal_(teacher.head.fc.weight)
        path = tmp_path / 'teacher.pth'
        save_checkpoint(dict(state_dict=teacher.state_dict()), str(path))
        shown = PAGE.read_text().split('```python\n')[1].split('```')[0]
        (tmp_path / 'config.py').write_text(f"_base_ = '{LAKD}'\n{shown}")
        cfg = read_config(tmp_path / 'config.py')
        cfg.work_dir = str(tmp_path / 'work_dir')
        cfg.experiment_name = f'{tmp_path.name}_{len(options)}'
        cfg.merge_from_dict(
            {
                'model.teacher_ckpt': str(path),
                'train_cfg.max_epochs': 1,
                'train_dataloader.dataset.indices': 64,
                'val_dataloader.dataset.indices': 100,
                'test_dataloader.dataset.indices': 100,
                **options,
            }
        )
        return Runner.from_cfg(cfg), teacher.eval()

    return _runner


def expected(runner, teacher):
    """The figures, image by image, from the networks' own outputs."""
    model = runner.model.eval()
    same, divergence = [], []
    for batch in runner.test_dataloader:
        images = model.data_preprocessor(batch, False)['inputs']
        with torch.no_grad():
            outputs = [m(images).tolist() for m in (model.student, teacher)]
        for pair in zip(*outputs):
            own, taught = (
                [math.exp(x) / sum(map(math.exp, row)) for x in row]
                for row in pair
            )
            same.append(own.index(max(own)) == taught.index(max(taught)))
            divergence.append(
                sum(q * math.log(q / p) for p, q in zip(own, taught))
            )
    return 100 * sum(same) / len(same), sum(divergence) / len(divergence)


def test_the_runner_tests_a_student(runner):
    """With the teacher of teacher_ckpt, which no training has loaded."""
    tested, teacher = runner()
    found = tested.test()
    top1, kl = expected(tested, teacher)
    assert len(tested.test_dataloader.dataset) == 100
    assert found['agreement/top1'] == pytest.approx(top1)
    assert found['agreement/kl'] == pytest.approx(kl, rel=1e-4)
    assert 'accuracy/top1' in found


def test_a_training_validates_with_it(runner):
    """The teacher, whose batch normalisation is folded by then, is the same.

    TeacherAccuracyHook leaves this metric out.
    """
    trained, teacher = runner()
    trained.train()
    scalars = trained.message_hub.log_scalars
    top1, kl = expected(trained, teacher)
    assert scalars['val/agreement/top1'].current() == pytest.approx(top1)
    assert scalars['val/agreement/kl'].current() == pytest.approx(kl, 1e-3)


def test_without_the_teachers_scores(runner):
    tested, _ = runner(**{'model.predict_teacher': False})
    with pytest.raises(SettingError, match='write model.predict_teacher=Tr'):
        tested.test()


def test_other_classes_are_refused():
    sample = dict(pred_score=torch.ones(3) / 3, teacher_score=torch.ones(1))
    with pytest.raises(SettingError, match='3 classes with a teacher of 1;'):
        TeacherAgreement().process(None, [sample])


def test_both_registries_have_it():
    for registry in (METRICS, OF_MMPRETRAIN):
        metric = registry.build(dict(type='TeacherAgreement'))
        assert type(metric) is TeacherAgreement


def test_refused_before_a_training_without_the_teachers_scores():
    metric = dict(type='mmrazor_lakd.TeacherAgreement')
    for evaluator in ([metric], dict(type='Evaluator', metrics=metric)):
        cfg = dict(model=dict(), val_evaluator=evaluator)
        with pytest.raises(SettingError, match='model.predict_teacher=True'):
            check_agreement(cfg)
        check_agreement(dict(cfg, model=dict(predict_teacher=True)))
