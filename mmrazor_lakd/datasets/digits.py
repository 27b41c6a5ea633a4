"""Handwritten digits that come with scikit-learn: no download."""

from typing import Any, List, Tuple

import numpy as np
import torch
from mmpretrain.registry import DATASETS
from torch import Tensor

from ..errors import check_choice
from .in_memory import InMemoryDataset


def is_test_sample(labels: np.ndarray) -> np.ndarray:
    """Choose every fourth sample of each class, in the data's order.

    Args:
        labels (np.ndarray): Shape (N,).

    Returns:
        np.ndarray: bool, shape (N,); True for a test sample.
    """
    chosen = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        chosen[np.flatnonzero(labels == label)[3::4]] = True
    return chosen


@DATASETS.register_module()
class Digits(InMemoryDataset):
    """scikit-learn's 1797 handwritten digits as 32x32 images, in memory.

    The images have 8x8 pixels with values 0 to 16. Each pixel becomes a block
    of 4x4 equal pixels in three equal channels, 0 to 255. Every fourth sample
    of each class is in the test split (445 samples), the others in the train
    split (1352). The same people wrote both, so this is an easy data set: it
    shows that training works, not how methods compare.

    Args:
        split (str): 'train' or 'test'. Defaults to 'train'.
        **kwargs: Keyword arguments of
            :class:`~mmrazor_lakd.datasets.InMemoryDataset`.

    Example:
        >>> from mmrazor_lakd.datasets import Digits
        >>> len(Digits(split='train')), len(Digits(split='test'))
        (1352, 445)
    """

    METAINFO = {'classes': tuple('0123456789')}

    def __init__(self, split: str = 'train', **kwargs: Any):
        check_choice('Digits', 'split', split, ('train', 'test'))
        self.split = split
        super().__init__(ann_file='', **kwargs)

    def load_arrays(self) -> Tuple[Tensor, Tensor]:
        """See :class:`~mmrazor_lakd.datasets.InMemoryDataset`."""
        # Imported lazily, since it takes a second.
        from sklearn.datasets import load_digits

        digits = load_digits()
        chosen = is_test_sample(digits.target)
        if self.split == 'train':
            chosen = ~chosen
        small = np.rint(digits.images[chosen] * (255 / 16)).astype(np.uint8)
        large = torch.from_numpy(small.repeat(4, 1).repeat(4, 2))
        images = large[:, None].repeat(1, 3, 1, 1)
        return images, torch.from_numpy(digits.target[chosen]).long()

    def extra_repr(self) -> List[str]:
        """Return lines about this data set for ``repr``."""
        return [f'Split: \t{self.split}']
