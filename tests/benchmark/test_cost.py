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
