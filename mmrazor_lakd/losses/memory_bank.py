"""Embeddings of all training samples, equal in every process."""

import math
from typing import List, Tuple

import torch
import torch.nn.functional as F
from mmengine.dist import all_gather, get_world_size
from torch import nn


class MemoryBank(nn.Module):
    r"""One network's embedding of each training sample.

    .. math:: m_i \leftarrow \mathrm{norm}(\mu\, m_i + (1 - \mu)\, v_i)

    Everything is a buffer without gradients, so that checkpoints, copies of
    the model and moves to a device treat it like the statistics of batch
    normalisation.

    Args:
        num_samples (int): Number of training samples, M.
        dim (int): Size of an embedding, D.
        momentum (float): The weight of a row's previous value, ``mu``.
        generator (torch.Generator): Draws the initial rows, uniformly, with a
            length of about 1.
    """

    #: buffers that are those of one training, and not for the next
    of_one_training = ('rows', 'log_scale')

    def __init__(
        self,
        num_samples: int,
        dim: int,
        momentum: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.momentum = momentum
        bound = math.sqrt(3 / dim)
        rows = torch.rand(num_samples, dim, generator=generator)
        self.register_buffer('rows', (2 * rows - 1) * bound)
        # log of the normalisation constant, known from the first step on
        self.register_buffer('log_scale', torch.zeros(()))

    @torch.no_grad()
    def update(self, indices: torch.Tensor, embeddings: torch.Tensor) -> None:
        """Update the rows of a batch with its embeddings.

        A sample that occurs several times contributes the mean of its
        embeddings, so that the order of the batch doesn't matter.

        Args:
            indices (torch.Tensor): The samples, int64, (B,).
            embeddings (torch.Tensor): Of length 1, (B, D).
        """
        places, inverse, counts = indices.unique(
            return_inverse=True, return_counts=True
        )
        means = embeddings.new_zeros(len(places), embeddings.shape[1])
        means.index_add_(0, inverse, embeddings)
        means /= counts[:, None]
        moved = self.momentum * self.rows[places] + (1 - self.momentum) * means
        self.rows[places] = F.normalize(moved)


@torch.no_grad()
def gather_batch(*tensors: torch.Tensor) -> Tuple[torch.Tensor, ...]:
    """Gather the parts of a batch from all processes.

    Args:
        tensors (torch.Tensor): This process's parts, each (B, ...). B may
            differ from process to process.

    Returns:
        tuple[torch.Tensor]: The whole tensors, in the order of the ranks; the
        given ones if there is only one process.
    """
    if get_world_size() == 1:
        return tensors
    count = len(tensors[0])
    counts = [
        int(n) for n in all_gather(tensors[0].new_tensor([count]).long())
    ]
    return tuple(_gather(tensor, counts) for tensor in tensors)


def _gather(tensor: torch.Tensor, counts: List[int]) -> torch.Tensor:
    """Gather parts of the given lengths; the backends need equal ones."""
    padded = tensor.new_zeros(max(counts), *tensor.shape[1:])
    padded[: len(tensor)] = tensor
    parts = all_gather(padded)
    return torch.cat([part[:n] for part, n in zip(parts, counts)])
