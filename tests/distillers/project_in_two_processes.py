"""Fits a projection in two processes; run by test_map_projection.py.

Each rank has a part of the map, and saves what it found.
"""

import sys

import torch
import torch.distributed as dist

from mmrazor_lakd.cli import leave_process_group
from mmrazor_lakd.distillers.map_projection import MapProjection


def made_map():
    """A map (3, 6, 5, 4), whose channels depend on each other."""
    generator = torch.Generator().manual_seed(0)
    feature = torch.randn(3, 6, 5, 4, generator=generator)
    mixed = torch.einsum(
        'nchw,dc->ndhw', feature, torch.randn(6, 6, generator=generator)
    )
    return mixed + 3


def main(folder):
    dist.init_process_group('gloo')
    rank = dist.get_rank()
    # parts of unequal size
    part = made_map()[:2] if rank == 0 else made_map()[2:]
    projection = MapProjection(6, 4)
    projection.fit(part, 'backbone')
    torch.save(projection.state_dict(), f'{folder}/{rank}.pth')
    leave_process_group()


if __name__ == '__main__':
    main(sys.argv[1])
