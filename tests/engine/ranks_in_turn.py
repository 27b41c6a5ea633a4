"""Runs tools/train.py in float64; started by test_several_processes.py.

As a module that a config imports, it has what lets one process take the
ranks of several in turn: each iteration adds up the gradients of the batches
that the ranks would have.
"""

import runpy
import sys
from pathlib import Path

import torch
from mmengine.dataset import DefaultSampler
from mmengine.hooks import Hook
from mmengine.registry import DATA_SAMPLERS, HOOKS

ROOT = Path(__file__).parents[2]
RANKS = 2


@DATA_SAMPLERS.register_module(force=True)
class RanksInTurn(DefaultSampler):
    """The images of rank 0's batch, then those of rank 1's, and so on.

    Args:
        share (int): Images that a rank takes at once.
    """

    def __init__(self, *args, share, **kwargs):
        super().__init__(*args, **kwargs)
        self.share = share

    def __iter__(self):
        order = list(super().__iter__())
        order += order[: -len(order) % RANKS]
        parts = [order[rank::RANKS] for rank in range(RANKS)]
        for start in range(0, len(parts[0]), self.share):
            for part in parts:
                yield from part[start : start + self.share]


@HOOKS.register_module(force=True)
class MeanOverRanks(Hook):
    """Trains with the mean of the gradients of each rank's images."""

    def before_train(self, runner):
        model = runner.model

        def train_step(data, optim_wrapper):
            data = model.data_preprocessor(data, True)
            share = len(data['inputs']) // RANKS
            for rank in range(RANKS):
                own = slice(rank * share, (rank + 1) * share)
                part = {key: value[own] for key, value in data.items()}
                losses = model(**part, mode='loss')
                loss, log = model.parse_losses(losses)
                (loss / RANKS).backward()
            optim_wrapper.step()
            optim_wrapper.zero_grad()
            return log

        model.train_step = train_step


if __name__ == '__main__':
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    sys.argv[0] = str(ROOT / 'tools' / 'train.py')
    runpy.run_path(sys.argv[0], run_name='__main__')
