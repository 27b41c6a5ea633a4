"""A small model and its training; as a script, one of two processes.

Started twice by test_divergence_hook.py. The data of the second process hold
a NaN.
"""

import sys
import time

import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader

from mmrazor_lakd.cli import run_tool

FINE, BAD = 1.0, float('nan')


class Small(BaseModel):
    """A linear layer, whose output is the loss."""

    def __init__(self, norm):
        super().__init__()
        self.norm = nn.BatchNorm1d(2) if norm else nn.Identity()
        self.head = nn.Linear(2, 1)

    def forward(self, inputs, mode='loss'):
        return dict(loss=self.head(self.norm(inputs)).square())


def make_runner(work_dir, values, norm=False, wrapper=None, **kwargs):
    """A training of one iteration for each of the values, in this order."""
    torch.manual_seed(0)
    hook = dict(type='DivergenceHook')
    if wrapper and 'type' in wrapper:
        hook['patience'] = 3
    data = [dict(inputs=torch.tensor([v, 2.0])) for v in values for _ in '12']
    return Runner(
        Small(norm),
        work_dir=str(work_dir),
        train_dataloader=DataLoader(data, batch_size=2),
        train_cfg=dict(by_epoch=True, max_epochs=1),
        optim_wrapper=wrapper or dict(optimizer=dict(type='SGD', lr=0.01)),
        custom_hooks=[hook],
        experiment_name=f'divergence_{time.monotonic_ns()}',
        log_level='ERROR',
        **kwargs,
    )


def main():
    torch.distributed.init_process_group('gloo')
    values = [FINE, BAD if torch.distributed.get_rank() else FINE, FINE]
    make_runner(
        sys.argv[1],
        values,
        norm=True,
        launcher='pytorch',
        cfg=dict(
            model_wrapper_cfg=dict(
                type='MMDistributedDataParallel', device_ids=None
            )
        ),
    ).train()


if __name__ == '__main__':
    run_tool(main)
