"""A loss's weight grows while training begins, in every kind of loop."""

import copy
import pickle
import time
from inspect import signature

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.logging import MessageHub
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from mmrazor_lakd import SettingError
from mmrazor_lakd.losses import (
    DecoupledKDLoss,
    SteppedLoss,
    WarmupLoss,
    step_factor,
    warmup_factor,
)

HINT = dict(type='LocalFeatureLoss', normalize='none')


def progress(epoch, iteration, max_epochs=240, max_iters=2400):
    return dict(
        epoch=epoch,
        iter=iteration,
        max_epochs=max_epochs,
        max_iters=max_iters,
    )


@pytest.mark.parametrize(
    'lengths, at, expected',
    [
        (dict(epochs=20), progress(0, 0), 0.05),
        (dict(epochs=20), progress(0, 9), 0.05),
        (dict(epochs=20), progress(9, 90), 0.5),
        (dict(epochs=20), progress(19, 190), 1.0),
        (dict(epochs=20), progress(200, 2000), 1.0),
        (dict(epochs=1), progress(0, 0, max_epochs=1), 1.0),
        (dict(iters=100), progress(0, 0, 1), 0.01),
        (dict(iters=100), progress(0, 49, 1), 0.5),
        (dict(iters=100), progress(0, 5000, 1), 1.0),
        (dict(fraction=1 / 12), progress(0, 0), 1 / 200),
        (dict(fraction=1 / 12), progress(9, 99), 0.5),
        (dict(fraction=1 / 12), progress(19, 199), 1.0),
        (dict(fraction=0.5), progress(0, 4, 1, 20), 0.5),
        (dict(epochs=20), {}, 1.0),  # no training
    ],
)
def test_factor(lengths, at, expected):
    assert warmup_factor(at, **lengths) == pytest.approx(expected)


@pytest.mark.parametrize(
    'epoch, expected', [(0, 0.1), (9, 0.1), (10, 0.5), (19, 0.5), (20, 1.0),
                        (179, 1.0), (180, 0.5), (210, 0.1), (239, 0.1)]
)  # fmt: skip
def test_steps_begin_with_their_epochs(epoch, expected):
    """NORM's, of 240 epochs with 391 iterations each."""
    steps = [
        (0, 0.1),
        (1 / 24, 0.5),
        (1 / 12, 1.0),
        (3 / 4, 0.5),
        (7 / 8, 0.1),
    ]
    for iteration in (epoch * 391, epoch * 391 + 390):
        at = progress(epoch, iteration, 240, 240 * 391)
        assert step_factor(at, steps) == expected
    assert step_factor({}, steps) == 1.0


def test_a_stepped_loss():
    s, t = torch.ones(1, 2, 2, 2), torch.zeros(1, 2, 2, 2)
    loss = SteppedLoss(HINT, [(0, 0.25), (0.5, 1.0)])
    assert set(signature(loss.forward).parameters) == set(
        signature(loss.loss.forward).parameters
    )
    hub = MessageHub.get_instance(f'stepped_{time.monotonic_ns()}')
    assert loss(s, t) == loss.loss(s, t)
    for iteration, factor in ((0, 0.25), (4, 0.25), (5, 1.0), (9, 1.0)):
        hub.update_info('iter', iteration)
        hub.update_info('max_iters', 10)
        assert loss(s, t) == factor * loss.loss(s, t) > 0


@pytest.mark.parametrize(
    'steps',
    [
        None,
        [],
        [(0.5, 1.0)],
        [(0, 1.0), (1, 0.5)],
        [(0, 1.0), (0.5, 0.5), (0.25, 1.0)],
        [(0, -1.0)],
        [(0, 'half')],
        [0, 1],
    ],
)
def test_wrong_steps(steps):
    with pytest.raises(SettingError, match='SteppedLoss has steps=.* write'):
        SteppedLoss(HINT, steps)


def test_epochs_where_there_are_none():
    with pytest.raises(SettingError, match=r'epochs=20.*iters=\.\.\.'):
        warmup_factor(progress(0, 5, max_epochs=1), epochs=20)


@pytest.mark.parametrize(
    'lengths',
    [
        {},
        dict(epochs=20, iters=10),
        dict(epochs=0),
        dict(iters=-1),
        dict(fraction=1.5),
        dict(epochs='20'),
        dict(fraction=0),
        dict(epochs=float('inf')),
        dict(iters=True),
    ],
)
def test_nonsense_is_refused(lengths):
    with pytest.raises(SettingError, match='one positive length'):
        WarmupLoss(HINT, **lengths)


def test_it_takes_what_the_loss_takes():
    loss = WarmupLoss(dict(type='DecoupledKDLoss', beta=2.0), epochs=20)
    plain = DecoupledKDLoss(beta=2.0)
    assert signature(loss.forward) == signature(plain.forward)
    MessageHub.get_instance(f'no_training_{time.monotonic_ns()}')
    inputs = torch.randn(2, 3), torch.randn(2, 3), torch.tensor([0, 2])
    for copied in (
        loss,
        copy.deepcopy(loss),
        pickle.loads(pickle.dumps(loss)),
    ):
        torch.testing.assert_close(copied(*inputs), plain(*inputs))


class Model(BaseModel):
    """A scalar and a loss that is 1 without a warm-up."""

    def __init__(self, **lengths):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1, 1, 1, 1))
        self.distill = WarmupLoss(HINT, **lengths)

    def forward(self, mode='loss', **kwargs):
        return dict(loss=self.distill(self.weight * 0, torch.ones(1, 1, 1, 1)))


class Watch(Hook):
    """Notes the loss of every iteration."""

    def __init__(self):
        self.losses = []

    def after_train_iter(self, runner, batch_idx, outputs=None, **kwargs):
        self.losses.append(round(outputs['loss'].item(), 6))


def train(work_dir, train_cfg, resume=False, **lengths):
    """Train 3 iterations an epoch, and return the losses."""
    watch = Watch()
    Runner(
        Model(**lengths),
        work_dir=str(work_dir),
        train_dataloader=DataLoader([{}] * 3, collate_fn=lambda batch: {}),
        train_cfg=train_cfg,
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.0)),
        default_hooks=dict(
            checkpoint=dict(
                type='CheckpointHook',
                interval=1,
                by_epoch=train_cfg['by_epoch'],
            )
        ),
        custom_hooks=[watch],
        resume=resume,
        experiment_name=f'warmup_{time.monotonic_ns()}',
        log_level='WARNING',
    ).train()
    return watch.losses


def test_a_training_by_epochs_and_its_resumption(tmp_path, capfd):
    """One that ends before its warm-up says so, once."""
    cfg = dict(by_epoch=True, max_epochs=2)
    assert train(tmp_path, cfg, epochs=4) == [0.25] * 3 + [0.5] * 3
    words = 'WarmupLoss has epochs=4, but the training ends after {}'
    assert capfd.readouterr().out.count(words.format(2)) == 1
    cfg['max_epochs'] = 3
    assert train(tmp_path, cfg, resume=True, epochs=4) == [0.75] * 3
    assert capfd.readouterr().out.count(words.format(3)) == 1
    cfg['max_epochs'] = 5
    assert train(tmp_path, cfg, resume=True, epochs=4) == [1.0] * 6
    assert 'WarmupLoss' not in capfd.readouterr().out


def test_a_training_by_iterations_and_its_resumption(tmp_path, capfd):
    cfg = dict(by_epoch=False, max_iters=2)
    assert train(tmp_path, cfg, iters=4) == [0.25, 0.5]
    assert 'iters=4, but the training ends after 2' in capfd.readouterr().out
    cfg['max_iters'] = 5
    assert train(tmp_path, cfg, resume=True, iters=4) == [0.75, 1.0, 1.0]


def test_a_fraction_of_a_training(tmp_path):
    cfg = dict(by_epoch=True, max_epochs=2)
    losses = train(tmp_path, cfg, fraction=0.5)
    assert losses == pytest.approx([1 / 3, 2 / 3, 1, 1, 1, 1], abs=1e-6)


def test_epochs_in_a_training_by_iterations(tmp_path):
    with pytest.raises(SettingError, match='this training has one'):
        train(tmp_path, dict(by_epoch=False, max_iters=3), epochs=20)
