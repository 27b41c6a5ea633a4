"""Sampling of the training samples that a batch is contrasted with."""

from typing import Optional, Tuple

import numpy as np
import torch
from torch import nn

from ..errors import SettingError


def mix_torch_seed(*numbers: int) -> int:
    """Mix several numbers into one seed, unlike that of close numbers."""
    state = np.random.SeedSequence(numbers).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))  # PyTorch's seeds are signed


def first_of_other_classes(
    pool_labels: torch.Tensor, labels: torch.Tensor, count: int
) -> torch.Tensor:
    """Mark the first samples of other classes in a pool, for each anchor.

    Args:
        pool_labels (torch.Tensor): The pool's labels, (P,).
        labels (torch.Tensor): The anchors' labels, (B,).
        count (int): How many to mark for each anchor.

    Returns:
        torch.Tensor: bool, (B, P), with ``count`` True in each row (fewer
        where the pool has fewer).
    """
    classes, inverse = labels.unique(return_inverse=True)
    other = pool_labels[None] != classes[:, None]
    other &= other.cumsum(1, dtype=torch.int32) <= count
    return other[inverse]


class NegativeSampler(nn.Module):
    """Draws the negatives of a whole batch at once.

    All anchors of a step share a pool: the beginning of a random order of
    all training samples. An anchor's negatives are the first
    ``num_negatives`` in it that are not of its class. So each anchor has a
    uniform sample, without repetition, of all samples of other classes, as in
    the authors' code; unlike there, the anchors of a step share most of them,
    so that a bank's rows are fetched once for a batch, not once for an anchor.

    The pool depends only on ``seed`` and on the number of steps so far, both
    of which are in the checkpoint. So it is the same in every process and
    after a resume, and independent of the data loader's workers.

    Args:
        num_samples (int): Number of training samples, M.
        num_negatives (int): Negatives of each anchor, N.
        seed (int, optional): Defaults to None: the seed of PyTorch's global
            generator, which ``randomness.seed`` of the config sets.
    """

    #: buffers that are those of one training, and not for the next
    of_one_training = ('seed', 'step')

    def __init__(
        self, num_samples: int, num_negatives: int, seed: Optional[int] = None
    ) -> None:
        super().__init__()
        self.num_samples = num_samples
        self.num_negatives = num_negatives
        if seed is None:
            # Read, not drawn: drawing would change what is initialised next.
            seed = torch.initial_seed() & (2**63 - 1)
        self.register_buffer('seed', torch.tensor(seed))
        self.register_buffer('step', torch.tensor(0))
        # Read from the data set at every start.
        self.register_buffer(
            'labels', torch.full((num_samples,), -1), persistent=False
        )
        self.pool_size: Optional[int] = None

    def take_labels(self, labels: np.ndarray) -> None:
        """Set the classes of all training samples.

        Args:
            labels (np.ndarray): Integers, (M,).

        Raises:
            SettingError: If their number isn't ``num_samples``, or the other
                classes have too few samples.
        """
        classes = torch.as_tensor(labels).long()
        if classes.shape != (self.num_samples,):
            raise SettingError(
                f'ContrastiveLoss has num_samples={self.num_samples}, but the '
                f'training data have {len(labels)} samples; write '
                f'num_samples={len(labels)}.'
            )
        _, counts = classes.unique(return_counts=True)
        largest = int(counts.max())
        available = self.num_samples - largest
        if self.num_negatives > available:
            raise SettingError(
                f'ContrastiveLoss has num_negatives={self.num_negatives}, but '
                f'for the largest class there are {available} samples of '
                f'other classes; write num_negatives={available} or less.'
            )
        self.labels.copy_(classes)
        # enough for an anchor of the largest class, even if that comes first
        self.pool_size = self.num_negatives + largest

    def forward(
        self, indices: torch.Tensor
    ) -> Tuple[torch.Tensor, torch.Tensor]:
        """Draw the negatives of this step.

        Args:
            indices (torch.Tensor): The anchors, int64, (B,).

        Returns:
            tuple[torch.Tensor, torch.Tensor]: The pool, indices of samples,
            (P,); and which of these are an anchor's negatives, bool, (B, P).

        Raises:
            SettingError: If the labels are not known.
        """
        if self.pool_size is None:
            raise SettingError(
                'ContrastiveLoss does not know the labels of the training '
                "data; add dict(type='SampleLabelsHook') to custom_hooks."
            )
        device = indices.device
        generator = torch.Generator(device=device)
        generator.manual_seed(mix_torch_seed(int(self.seed), int(self.step)))
        order = torch.randperm(
            self.num_samples, generator=generator, device=device
        )
        pool = order[: self.pool_size]
        chosen = first_of_other_classes(
            self.labels[pool], self.labels[indices], self.num_negatives
        )
        return pool, chosen

    def extra_repr(self) -> str:
        """See :class:`torch.nn.Module`."""
        return (
            f'num_samples={self.num_samples}, '
            f'num_negatives={self.num_negatives}'
        )
