"""What counts as the time of a step, on real trainings of a few iterations."""

import pytest
from conftest import ROOT
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from mmrazor_lakd.benchmark.cost import measure

DIGITS = ROOT / 'configs/teachers/resnet8_1xb64_digits.py'
PAUSE = 0.25  # seconds
# Fewer iterations than are measured, and epochs of two.
EPOCHS = """
train_dataloader = dict(dataset=dict(indices=16))
train_cfg = dict(max_epochs=1)
"""
ITERATIONS = """
train_cfg = dict(_delete_=True, type='IterBasedTrainLoop', max_iters=1)
param_scheduler = None
"""


@HOOKS.register_module()
class PausingHook(Hook):
    """Takes all the time that passes, in the place of its choice."""

    calls = 0

    def __init__(self, place):
        setattr(self, place, self.pause)

    def pause(self, *args, **kwargs):
        PausingHook.calls += 1

    @classmethod
    def now(cls):
        """Tell the time."""
        return cls.calls * PAUSE


@pytest.mark.parametrize(
    'loop, workers, place',
    [
        # the last hook of all, but for the measurement's own
        (EPOCHS, 0, 'after_train_iter'),
        # between two iterations, as a slow loader would be
        (EPOCHS, 2, 'before_train_iter'),
        (ITERATIONS, 0, 'after_train_iter'),
    ],
    ids=['epochs', 'workers', 'iterations'],
)
def test_hooks_and_loading_count_and_the_bare_loop_does_not(
    loop, workers, place, tmp_path, monkeypatch
):
    PausingHook.calls = 0
    monkeypatch.setattr(measure, 'now', PausingHook.now)
    hook = dict(type='PausingHook', place=place, priority='LOWEST')
    config = tmp_path / 'config.py'
    config.write_text(
        f"_base_ = '{DIGITS}'\n{loop}\ncustom_hooks = [{hook}]\n"
    )
    settings = dict(
        config=str(config),
        options={'train_dataloader.num_workers': workers},
        work_dir=str(tmp_path),
        batch_size=8,
        synthetic_data=False,
        image_size=None,
        rounds=2,
        steps=2,
        warmup=1,
    )
    result = measure.measure_cost(measure.CostSettings(**settings))
    assert result['workers'] == workers and result['batch_size'] == 8
    settle = 4 if workers else 1
    assert PausingHook.calls == 1 + 2 * (settle + 2)
    assert result['step_ms'] == [PAUSE * 1e3] * 2
    assert result['floor_ms'] == [0, 0]
    # nothing is written but logs
    assert not list(tmp_path.rglob('*.pth'))


def measured(tmp_path, text, pair='kd/kd', options=None):
    """Measure a config over one of ours, with a batch of 8."""
    base = ROOT / f'configs/{pair}_resnet20_resnet8_1xb64_digits.py'
    config = tmp_path / 'config.py'
    config.write_text(f'_base_ = {str(base)!r}\n{text}')
    return measure.measure_cost(
        measure.CostSettings(
            config=str(config),
            options=options or {},
            work_dir=str(tmp_path),
            batch_size=8,
            rounds=1,
            steps=1,
            warmup=1,
        ),
        report=lambda line: None,
    )


def test_a_batch_sampler(tmp_path):
    """It has the batch's size, and a loader with one takes no drop_last."""
    text = """
train_dataloader = dict(batch_sampler=dict(
    type='torch.utils.data.BatchSampler', drop_last=False))
"""
    assert measured(tmp_path, text)['batch_size'] == 8


def test_the_optimizer_s_state_is_there_when_batches_accumulate(tmp_path):
    """No step of the few would update anything."""
    optimizer = (
        "optim_wrapper = dict(optimizer=dict(_delete_=True, type='Adam'))"
    )
    once = measured(tmp_path, optimizer)
    several = measured(
        tmp_path, optimizer, options={'optim_wrapper.accumulative_counts': 6}
    )
    resting = [found['memory']['resting'] for found in (once, several)]
    assert resting[0] <= resting[1]


@pytest.mark.parametrize(
    'setting, ends',
    [
        ('model = dict(distiller=dict(local_phase=dict(fraction=0.5)))',
         'where the student is trained end to end'),
        ("custom_hooks = [dict(type='mmrazor.StopDistillHook', stop_epoch=2)]",
         'where the distillation has stopped'),
    ],
)  # fmt: skip
def test_a_training_that_ends_without_cuts(setting, ends, tmp_path):
    cut = measured(tmp_path, '', 'lakd/lakd')
    whole = measured(tmp_path, setting, 'lakd/lakd')
    assert whole['memory']['peak'] > cut['memory']['peak']
    assert f'memory of its end, {ends}' in whole['notes']
    assert not any('its end' in note for note in cut['notes'])


def test_memory_of_a_teacher_whose_head_is_not_run(tmp_path):
    """It is the teacher's, and not the losses'."""
    whole = measured(tmp_path, 'model = dict(teacher_chunks=1)')
    text = """
recorded = dict(map=dict(type='ModuleOutputs', source='backbone.layer1'))
model = dict(teacher_chunks=1, distiller=dict(
    _delete_=True, type='ConfigurableDistiller',
    student_recorders=recorded, teacher_recorders=recorded,
    distill_losses=dict(loss_map=dict(type='LocalFeatureLoss')),
    loss_forward_mappings=dict(loss_map=dict(
        s_feature=dict(recorder='map', from_student=True),
        t_feature=dict(recorder='map', from_student=False)))))
"""
    found = measured(
        tmp_path, text.replace("both = dict(recorder='map')\n", '')
    )
    highest, expected = (
        one['memory']['highest']['teacher'] for one in (found, whole)
    )
    assert highest > 0.8 * expected


def test_nothing_diverges_while_it_is_measured(tmp_path):
    """Weights don't matter, and a teacher of random ones teaches nothing."""
    text = 'optim_wrapper = dict(optimizer=dict(lr=1e30))'
    assert measured(tmp_path, text)['step_ms']


def test_averaged_weights_rest_as_well(tmp_path):
    plain = measured(tmp_path, '')['memory']['resting']
    hook = "custom_hooks = [dict(type='mmengine.EMAHook')]"
    averaged = measured(tmp_path, hook)['memory']['resting']
    weights = 4 * 77_850  # ResNet8's, and more for statistics
    assert weights < averaged - plain < 1.1 * weights
