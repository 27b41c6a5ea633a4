"""Batches that don't depend on when, or by which process, they are loaded."""

import copy
import random
from functools import partial
from typing import Any, Callable, Iterator, List, NamedTuple, Tuple

import numpy as np
import torch
from mmengine.device import get_device
from torch.utils.data import DataLoader, IterableDataset

# What generators are seeded for, besides an iteration's number and a rank.
# Data have none: in a single process their seed is mix_seed(seed, iteration).
MODEL = 1
ORDER = 2


def mix_seed(*numbers: int) -> int:
    """Mix a training's seed with its progress.

    Args:
        numbers (int): At least 0. A trailing 0 changes nothing.

    Returns:
        int: Below 2**32. Unlike with a sum, another seed doesn't lead to the
        same numbers at another step.
    """
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def seed_generators(*numbers: int) -> None:
    """Seed Python's, NumPy's and PyTorch's generators, of all devices."""
    seed = mix_seed(*numbers)
    random.seed(seed)
    np.random.seed(seed)
    # torch.manual_seed takes ten times as long as all the rest, since it
    # formats the stack for devices that don't exist.
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)
    elif get_device() not in ('cpu', 'cuda'):
        torch.manual_seed(seed)


class Batch(NamedTuple):
    """What to load in an iteration.

    Attributes:
        number (int): The iteration.
        indices (list[int]): The samples.
    """

    number: int
    indices: List[int]


class NumberedBatches:
    """A batch sampler that numbers its batches by iteration.

    Args:
        batches: The batch sampler that chooses the samples.
        position (Callable): Called when a pass begins; returns the number of
            the pass's first batch and that of the first batch to load.
        seed (int): The training's.
        endless (bool): Whether another pass follows the last one. Defaults to
            False.
    """

    def __init__(
        self,
        batches: Any,
        position: Callable[[], Tuple[int, int]],
        seed: int,
        endless: bool = False,
    ) -> None:
        self.batches = batches
        self.position = position
        self.seed = seed
        self.endless = endless

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[List[Batch]]:
        number, start = self.position()
        passes = 0
        while True:
            if self.endless:
                set_epoch(self.batches, passes)
            # PyTorch's samplers draw from the global generator.
            seed_generators(self.seed, number, 0, ORDER)
            first = number
            for indices in self.batches:
                if number >= start:
                    yield [Batch(number, list(indices))]
                number += 1
            passes += 1
            if not self.endless or number == first:
                return


def set_epoch(batches: Any, epoch: int) -> None:
    """Set the epoch of a batch sampler's sampler."""
    sampler = getattr(batches, 'sampler', None)
    if hasattr(sampler, 'set_epoch'):
        sampler.set_epoch(epoch)


class SeededDataset:
    """A data set whose random numbers depend on the iteration.

    Args:
        dataset: The data set.
        seed (int): The training's.
        rank (int): The process's.
    """

    # Otherwise a loader would request several of our batches at once.
    __getitems__ = None

    def __init__(self, dataset: Any, seed: int, rank: int) -> None:
        self.dataset = dataset
        self.seed = seed
        self.rank = rank

    def __len__(self) -> int:
        return len(self.dataset)

    def __getattr__(self, name: str) -> Any:
        if name.startswith('__') or name == 'dataset':
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def __getitem__(self, batch: Batch) -> Any:
        """Load the samples of a batch."""
        seed_generators(self.seed, batch.number, self.rank)
        load = getattr(self.dataset, '__getitems__', None)
        if load:
            return load(batch.indices)
        return [self.dataset[index] for index in batch.indices]


def collate_one(collate: Callable, batches: list) -> Any:
    """Collate the one batch that a loader treats as a sample."""
    return collate(batches[0])


def can_number(loader: Any) -> bool:
    """Check whether a loader's batches are chosen before they are loaded."""
    return (
        isinstance(loader, DataLoader)
        and loader.batch_sampler is not None
        and not isinstance(loader.dataset, IterableDataset)
    )


def iterate_numbered(
    loader: DataLoader, rank: int, batches: NumberedBatches
) -> Iterator:
    """Iterate over a loader's data in another order.

    Args:
        loader (DataLoader): Not modified.
        rank (int): This process's.
        batches (NumberedBatches): The order, and the seed.

    Returns:
        Iterator: PyTorch's iterator.
    """
    # DataLoader forbids setting these attributes.
    numbered = copy.copy(loader)
    vars(numbered).pop('_get_iterator', None)
    vars(numbered).update(
        batch_sampler=batches,
        dataset=SeededDataset(loader.dataset, batches.seed, rank),
        collate_fn=partial(collate_one, loader.collate_fn),
    )
    return numbered._get_iterator()
