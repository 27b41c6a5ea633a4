"""A training of a second: a small model on data with much chance in them."""

import random
import time

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement
from torch import nn
from torch.utils.data import Dataset

import mmrazor_lakd  # noqa: F401


class Noisy(Dataset):
    """Samples that every generator takes part in."""

    metainfo = {}

    def __init__(self, count=10):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        noise = random.random() + np.random.rand() + torch.rand(())
        return torch.full((4,), float(index)) + noise


class Toy(BaseModel):
    """A layer behind dropout."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.dropout = nn.Dropout(0.5)
        self.layer = nn.Linear(4, 1)

    def forward(self, inputs, mode='loss'):
        if mode == 'predict':
            return [BaseDataElement()]
        return dict(loss=self.layer(self.dropout(inputs)).square().mean())


class Stop(Exception):
    """Ends a training as if it was killed."""


class StopAt(Hook):
    """Raises before an iteration."""

    def __init__(self, iteration):
        self.iteration = iteration
        self.seen = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.seen.append(batch_idx)
        if runner.iter == self.iteration:
            raise Stop


def build_runner(
    work_dir,
    stop=None,
    hooks=({'type': 'EpochSeedHook'},),
    loader=None,
    sampler='DefaultSampler',
    saving=None,
    **kwargs,
):
    """Build a Runner: by default 3 epochs of 4 iterations, seed 3."""
    settings = dict(
        work_dir=str(work_dir),
        train_dataloader=dict(
            dataset=Noisy(),
            batch_size=3,
            sampler=dict(type=sampler, shuffle=True),
            collate_fn=stack,
            **(loader or {}),
        ),
        train_cfg=dict(by_epoch=True, max_epochs=3),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=1e-4, momentum=0.9)),
        param_scheduler=dict(type='ExponentialLR', gamma=0.7, by_epoch=True),
        default_hooks=dict(
            checkpoint={
                **dict(type='SafeCheckpointHook', by_epoch=False, interval=3),
                **(saving or {}),
            },
            loading=dict(type='SafeLoadingHook'),
        ),
        custom_hooks=[*hooks, StopAt(stop)],
        randomness=dict(seed=3),
        experiment_name=f'toy_{time.monotonic_ns()}',
        log_level='ERROR',
        default_scope='mmengine',
    )
    settings.update(kwargs)
    return Runner(Toy(), **settings)


def stack(batch):
    return dict(inputs=torch.stack(batch))


def train(work_dir, **kwargs):
    """Train, or stop; return the weights, and the Runner."""
    runner = build_runner(work_dir, **kwargs)
    try:
        runner.train()
    except Stop:
        pass
    return runner.model.layer.weight.detach().clone(), runner
