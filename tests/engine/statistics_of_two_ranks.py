"""Gives two processes other running statistics; started by the test."""

import sys
from types import SimpleNamespace

import torch
import torch.distributed as dist
from torch import nn

from mmrazor_lakd.cli import leave_process_group
from mmrazor_lakd.engine import SavedStatisticsHook


def main(folder):
    torch.set_num_threads(1)
    dist.init_process_group('gloo')
    rank = dist.get_rank()
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    for _ in range(rank + 1):
        model(torch.randn(4, 2, generator=torch.Generator().manual_seed(rank)))
    before = {name: b.clone() for name, b in model.named_buffers()}
    SavedStatisticsHook().before_val_epoch(SimpleNamespace(model=model))
    after = dict(model.named_buffers())
    torch.save((before, after), f'{folder}/rank{rank}.pth')
    leave_process_group()


if __name__ == '__main__':
    main(sys.argv[1])
