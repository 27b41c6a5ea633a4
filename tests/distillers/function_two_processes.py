"""Trains FCFD in two processes; run by test_function_distiller.py.

Each rank takes half of the batch, and saves the gradients of the third step.
"""

import sys
from pathlib import Path

import torch
import torch.distributed as dist
from mmengine.model import MMDistributedDataParallel
from mmengine.registry import DefaultScope
from mmpretrain.structures import DataSample

from mmrazor_lakd.cli import leave_process_group

sys.path.insert(0, str(Path(__file__).parents[1]))
from conftest import total  # noqa: E402
from function_networks import build  # noqa: E402

HALVES = (slice(0, 4), slice(4, 8))


def make_batch():
    """Eight images and their labels."""
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(8, 3, 32, 32, generator=generator)
    return images, [DataSample().set_gt_label(label) for label in range(8)]


def make_model(seed):
    """The same model for every seed, but for that of the paths."""
    model = build()
    model.distiller.seed.fill_(seed)
    return model


def gradients(model):
    return {
        name: param.grad.clone() for name, param in model.named_parameters()
    }


def main(folder):
    torch.set_num_threads(1)
    DefaultScope.get_instance('tests', scope_name='mmpretrain')
    dist.init_process_group('gloo')
    rank = dist.get_rank()
    wrapped = MMDistributedDataParallel(
        make_model(seed=7 * rank), broadcast_buffers=False
    )
    images, samples = make_batch()
    for _ in range(3):
        wrapped.zero_grad()
        losses = wrapped(
            images[HALVES[rank]], samples[HALVES[rank]], mode='loss'
        )
        total(losses).backward()
    torch.save(gradients(wrapped.module), f'{folder}/rank{rank}.pth')
    leave_process_group()


if __name__ == '__main__':
    main(sys.argv[1])
