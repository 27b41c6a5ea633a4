"""Computes CRD in two processes; run by test_crd_distributed.py.

Each rank takes its part of every batch and saves what it ends with.
"""

import sys

import torch
import torch.distributed as dist
from mmengine.model import MMDistributedDataParallel
from mmpretrain.structures import DataSample
from torch import nn

from mmrazor_lakd.cli import leave_process_group
from mmrazor_lakd.losses import ContrastiveLoss  # makes MMRazor importable

from mmrazor.models.losses import CRDLoss  # isort: skip

# Sample 7 is twice in the second batch, in both parts of either splitting.
BATCHES = [
    (0, 1, 2, 3, 4, 5, 6, 8),
    (9, 7, 10, 11, 12, 7, 13, 14),
    (7, 3, 15, 16, 17, 18, 19, 20),
]
SPLITS = dict(equal=4, unequal=5)


class Embeddings(nn.Module):
    """The two trained embeddings and the loss, without networks below."""

    def __init__(self, seed=0):
        super().__init__()
        torch.manual_seed(0)
        self.student, self.teacher = nn.Linear(10, 6), nn.Linear(10, 6)
        self.loss = ContrastiveLoss(40, 12, dim=6, seed=seed)

    def forward(self, features, indices):
        samples = [DataSample(metainfo=dict(sample_idx=i)) for i in indices]
        return self.loss(
            self.student(features[0]), self.teacher(features[1]), samples
        )


def make_features(step):
    generator = torch.Generator().manual_seed(step)
    return torch.randn(2, 8, 10, generator=generator)


def train(model, part):
    """Train three steps; return all that ought to agree afterwards."""
    inner = getattr(model, 'module', model)
    inner.loss.sampler.take_labels(torch.arange(40) % 4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    pools = []
    inner.loss.sampler.register_forward_hook(
        lambda module, inputs, drawn: pools.append(drawn[0])
    )
    for step, indices in enumerate(BATCHES):
        value = model(make_features(step)[:, part], indices[part])
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    grads = {n: p.grad for n, p in inner.named_parameters()}
    return dict(state=inner.state_dict(), grads=grads, pools=pools)


def stock_bank(part):
    """The student's bank of MMRazor's CRDLoss after one step."""
    torch.manual_seed(0)
    loss = CRDLoss(neg_num=12, sample_n=40, dim_out=6)
    features = torch.randn(2, 8, 6)[:, part]
    samples = [
        DataSample(metainfo=dict(sample_idx=torch.tensor(i)))
        for i in BATCHES[0][part]
    ]
    loss(*features, samples)
    return loss.contrast.memory_v1


def main(folder):
    torch.set_num_threads(1)
    dist.init_process_group('gloo')
    rank = dist.get_rank()
    found = {}
    for name, cut in SPLITS.items():
        for broadcast in (False, True):
            part = slice(cut, None) if rank else slice(cut)
            # The ranks disagree on the seed; that of rank 0 counts.
            model = MMDistributedDataParallel(
                Embeddings(seed=rank), broadcast_buffers=broadcast
            )
            found[name, broadcast] = train(model, part)
    part = slice(4, None) if rank else slice(4)
    found['stock'] = stock_bank(part)
    torch.save(found, f'{folder}/rank{rank}.pth')
    leave_process_group()


if __name__ == '__main__':
    main(sys.argv[1])
