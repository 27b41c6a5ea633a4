"""Trains in two processes; run by test_distributed.py.

Each rank takes half of every batch, accumulates over two of them, and rank 0
saves the gradients of each way to wrap the model.
"""

import sys
from pathlib import Path

import torch
import torch.distributed as dist
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from mmengine.registry import DefaultScope
from mmpretrain.structures import DataSample
from torch import nn
from torch.distributed.nn.functional import all_reduce

from mmrazor_lakd.cli import leave_process_group

sys.path.insert(0, str(Path(__file__).parents[1]))
from conftest import LOGITS_KD, build_model, lakd, total  # noqa: E402

WAYS = {
    'plain': {},
    'unused': dict(find_unused_parameters=True),
    'static': dict(static_graph=True),
    'view': dict(gradient_as_bucket_view=True),
}
if torch.__version__.startswith('1.'):
    # With accumulation, DistributedDataParallel fails there by itself.
    del WAYS['static']
ACCUMULATE = 2


class SyncBatchNorm(nn.BatchNorm2d):
    """PyTorch's is for GPUs only; this one is its formula."""

    def forward(self, x):
        axes = (0, 2, 3)
        count = x.numel() / x.shape[1] * dist.get_world_size()
        mean = all_reduce(x.sum(axes)) / count
        centred = x - mean.view(1, -1, 1, 1)
        var = all_reduce(centred.square().sum(axes)) / count
        scale = (var + self.eps).rsqrt() * self.weight
        return centred * scale.view(1, -1, 1, 1) + self.bias.view(1, -1, 1, 1)


def make_batches():
    """Two batches of eight images."""
    generator = torch.Generator().manual_seed(1)
    return [
        (
            torch.randn(8, 3, 32, 32, generator=generator),
            torch.randint(10, (8,), generator=generator),
        )
        for _ in range(ACCUMULATE)
    ]


def make_model(**kwargs):
    """An LAKD model whose losses are plain means over the images."""
    kwargs = dict(
        feature_loss=dict(type='LocalFeatureLoss', normalize='none'),
        attention_loss=dict(type='NDAMLoss', scale='none'),
        classifier_loss=dict(type='LocalClassifierLoss'),
        **LOGITS_KD,
        **kwargs,
    )
    return build_model(lakd(**kwargs))


def samples_of(labels):
    return [DataSample().set_gt_label(label) for label in labels]


def gradients(model):
    return {
        name: param.grad.clone() for name, param in model.named_parameters()
    }


def synchronise(model):
    """Replace the student's batch normalisation."""
    for module in list(model.student.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                sync = SyncBatchNorm(child.num_features)
                sync.load_state_dict(child.state_dict())
                setattr(module, name, sync)


def train_two_steps(wrapped):
    """Accumulate two batches' gradients, as the Runner does."""
    wrapper = OptimWrapper(
        torch.optim.SGD(wrapped.parameters(), lr=0.0),
        accumulative_counts=ACCUMULATE,
    )
    # one count more, so that the gradients are still there at the end
    wrapper.initialize_count_status(wrapped, 0, 100)
    half = slice(4 * dist.get_rank(), 4 * dist.get_rank() + 4)
    if wrapped.static_graph:
        # PyTorch learns the graph in a step that is not accumulated.
        images, labels = make_batches()[0]
        losses = wrapped(images[half], samples_of(labels[half]), mode='loss')
        total(losses).backward()
        wrapper.zero_grad()
    for images, labels in make_batches():
        with wrapper.optim_context(wrapped):
            losses = wrapped(
                images[half], samples_of(labels[half]), mode='loss'
            )
        wrapper.backward(wrapper.scale_loss(total(losses)))
    return gradients(wrapped.module)


def main(folder):
    torch.set_num_threads(1)
    DefaultScope.get_instance('tests', scope_name='mmpretrain')
    dist.init_process_group('gloo')
    found = {}
    for early in (True, False):
        for way, options in WAYS.items():
            for sync in (False, True):
                model = make_model(early_backward=early)
                if sync:
                    synchronise(model)
                wrapped = MMDistributedDataParallel(
                    model, broadcast_buffers=False, **options
                )
                found[early, way, sync] = train_two_steps(wrapped)
    if dist.get_rank() == 0:
        torch.save(found, f'{folder}/gradients.pth')
    leave_process_group()


if __name__ == '__main__':
    main(sys.argv[1])
