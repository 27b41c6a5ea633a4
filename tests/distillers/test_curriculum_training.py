"""A curriculum in a real training, and in one that is killed and resumed."""

import time

import torch
from conftest import LOGITS_KD, build_model, lakd
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpretrain.structures import DataSample
from test_curriculum import HALF, slow_openings
from torch.utils.data import DataLoader


class Stop(Exception):
    """Ends a training as if it was killed."""


class StopAt(Hook):
    """Raises before an iteration."""

    def __init__(self, iteration):
        self.iteration = iteration

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.iteration:
            raise Stop


def first(items):
    return items[0]


def train(work_dir, stop=None, resume=False):
    """Train 4 epochs of 4 iterations, two to an update."""
    options = dict(progressive=HALF, feed=dict(fraction=0.25))
    generator = torch.Generator().manual_seed(0)
    batches = [
        dict(
            inputs=torch.randn(2, 3, 32, 32, generator=generator),
            data_samples=[DataSample().set_gt_label(i) for i in range(2)],
        )
        for _ in range(4)
    ]
    runner = Runner(
        build_model(lakd(**options, **LOGITS_KD)),
        work_dir=str(work_dir),
        train_dataloader=DataLoader(
            batches, collate_fn=lambda items: items[0]
        ),
        train_cfg=dict(by_epoch=True, max_epochs=4),
        optim_wrapper=dict(
            optimizer=dict(type='SGD', lr=0.01, momentum=0.9),
            accumulative_counts=2,
        ),
        default_hooks=dict(checkpoint=dict(type='CheckpointHook')),
        custom_hooks=[StopAt(stop)],
        resume=resume,
        experiment_name=f'curriculum_{time.monotonic_ns()}',
        default_scope='mmpretrain',
        log_level='ERROR',
    )
    try:
        runner.train()
    except Stop:
        return None
    scalars = runner.message_hub.log_scalars
    logged = {
        name: scalars[f'train/distill.{name}'].data[0].tolist()
        for name in ('module1.open', 'module2.open', 'student_share')
    }
    return runner.model.state_dict(), logged


def test_a_training_that_is_killed_goes_on_as_if_it_was_not(tmp_path):
    weights, logged = train(tmp_path / 'unbroken')
    openings = [slow_openings(min((i + 1) / 8, 1), 2) for i in range(16)]
    assert logged == {
        'module1.open': [row[0] for row in openings],
        'module2.open': [row[1] for row in openings],
        'student_share': [0.25, 0.5, 0.75] + [1.0] * 13,
    }
    assert train(tmp_path / 'killed', stop=6) is None
    resumed, logged_again = train(tmp_path / 'killed', resume=True)
    assert logged_again == logged
    for name, value in weights.items():
        assert torch.equal(resumed[name], value), name
