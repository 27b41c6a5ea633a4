"""Trains beyond the local phase, or the end of the distillation.

Run by test_distributed.py.

Each rank takes half of every batch, and saves the student's weights.
"""

import sys
from pathlib import Path

import torch
import torch.distributed as dist
from mmengine.logging import MessageHub
from mmengine.model import MMDistributedDataParallel
from mmengine.registry import DefaultScope
from mmpretrain.structures import DataSample

from mmrazor_lakd.cli import leave_process_group

sys.path.insert(0, str(Path(__file__).parents[1]))
from conftest import LOGITS_KD, build_model, classifier, lakd, total  # noqa

STEPS = 5


def make_model(local_phase):
    """One whose connectors and classifiers learn in the first two steps."""
    distiller = lakd(
        local_phase=local_phase,
        classifier_loss=dict(type='LocalClassifierLoss'),
        **LOGITS_KD,
    )
    return build_model(distiller, teacher=classifier('8x4', width=256))


def train(wrapped, stops):
    hub = MessageHub.get_instance('local phase')
    optimizer = torch.optim.SGD(wrapped.parameters(), lr=0.01, momentum=0.9)
    generator = torch.Generator().manual_seed(1)
    half = slice(4 * dist.get_rank(), 4 * dist.get_rank() + 4)
    samples = [DataSample().set_gt_label(label) for label in range(8)]
    for step in range(STEPS):
        # as MMRazor's StopDistillHook does
        wrapped.module.distillation_stopped = stops and step >= 2
        hub.update_info_dict(
            dict(iter=step, max_iters=STEPS, epoch=0, max_epochs=1)
        )
        images = torch.randn(8, 3, 32, 32, generator=generator)
        optimizer.zero_grad()
        losses = wrapped(images[half], samples[half], mode='loss')
        total(losses).backward()
        optimizer.step()
    assert stops or losses['distill.local_phase'] == 0
    return wrapped.module.student.state_dict()


def main(folder):
    torch.set_num_threads(1)
    DefaultScope.get_instance('tests', scope_name='mmpretrain')
    dist.init_process_group('gloo')
    found = {
        (stops, unused): train(
            MMDistributedDataParallel(
                make_model(None if stops else dict(iters=2)),
                broadcast_buffers=False,
                find_unused_parameters=unused,
            ),
            stops,
        )
        for stops in (False, True)
        for unused in (False, True)
    }
    if dist.get_rank() == 0:
        torch.save(found, f'{folder}/students.pth')
    leave_process_group()


if __name__ == '__main__':
    main(sys.argv[1])
