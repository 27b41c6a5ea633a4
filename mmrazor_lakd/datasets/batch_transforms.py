"""Augmentations that are applied to a whole batch at once.

An MMPretrain pipeline processes one image after another in Python, which takes
longer than a small network's step on a GPU. These transforms do the same to a
batch in a few array operations. They draw from PyTorch's global generator,
which MMEngine seeds, in workers too.

They use NumPy: PyTorch would distribute these small copies over its threads,
and wait milliseconds for them whenever the cores are busy.
"""

from abc import ABCMeta, abstractmethod
from typing import Optional

import numpy as np
import torch
from mmpretrain.registry import TRANSFORMS
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor

from ..errors import SettingError


class BatchTransform(metaclass=ABCMeta):
    """Base class of transforms of a whole batch of images.

    :class:`~mmrazor_lakd.datasets.InMemoryDataset` accepts only these in its
    ``pipeline``.
    """

    @abstractmethod
    def __call__(self, images: Tensor) -> Tensor:
        """Transform a batch.

        Args:
            images (Tensor): uint8, shape (N, C, H, W). Not modified.

        Returns:
            Tensor: uint8, shape (N, C, H', W').
        """


@TRANSFORMS.register_module()
class BatchRandomCrop(BatchTransform):
    """Crop a window from each zero-padded image, at its own random position.

    Like MMPretrain's ``RandomCrop(crop_size, padding=padding)``: every
    position where the window fits is equally likely.

    Args:
        padding (int): How many zeros to add on each border. Defaults to 0.
        crop_size (int, optional): Height and width of the window. Defaults to
            None, the image's own size before padding.

    Example:
        >>> pipeline = [dict(type='mmpretrain.BatchRandomCrop', padding=4)]
    """

    def __init__(self, padding: int = 0, crop_size: Optional[int] = None):
        if padding < 0 or (crop_size is not None and crop_size < 1):
            raise SettingError(
                'BatchRandomCrop needs padding >= 0 and crop_size >= 1, got '
                f'{padding} and {crop_size}.'
            )
        self.padding = padding
        self.crop_size = crop_size

    def __call__(self, images: Tensor) -> Tensor:
        """See :class:`BatchTransform`; the result is (N, C, size, size)."""
        count, channels, height, width = images.shape
        pad = self.padding
        padded = np.zeros(
            (count, channels, height + 2 * pad, width + 2 * pad), np.uint8
        )
        padded[..., pad : pad + height, pad : pad + width] = images.numpy()
        if self.crop_size is not None:
            height = width = self.crop_size
        places_y = padded.shape[-2] - height + 1
        places_x = padded.shape[-1] - width + 1
        if places_y < 1 or places_x < 1:
            raise SettingError(
                f'BatchRandomCrop can not cut {height}x{width} out of '
                f'{padded.shape[-2]}x{padded.shape[-1]} (padded) images: make '
                'crop_size smaller or padding larger.'
            )
        top = torch.randint(places_y, (count,)).numpy()
        left = torch.randint(places_x, (count,)).numpy()
        # a view of all windows, (N, C, places_y, places_x, height, width);
        # only the chosen ones are copied
        windows = sliding_window_view(padded, (height, width), axis=(2, 3))
        return torch.from_numpy(windows[np.arange(count), :, top, left])

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(padding={self.padding}, '
            f'crop_size={self.crop_size})'
        )


@TRANSFORMS.register_module()
class BatchRandomFlip(BatchTransform):
    """Flip some of the images horizontally.

    Like MMPretrain's ``RandomFlip(prob, direction='horizontal')``.

    Args:
        prob (float): The probability for each image. Defaults to 0.5.

    Example:
        >>> pipeline = [dict(type='mmpretrain.BatchRandomFlip', prob=0.5)]
    """

    def __init__(self, prob: float = 0.5):
        if not 0 <= prob <= 1:
            raise SettingError(
                f'BatchRandomFlip needs a prob between 0 and 1, got {prob}.'
            )
        self.prob = prob

    def __call__(self, images: Tensor) -> Tensor:
        """See :class:`BatchTransform`."""
        chosen = (torch.rand(len(images)) < self.prob).numpy()
        flipped = images.numpy().copy()
        flipped[chosen] = flipped[chosen, ..., ::-1]
        return torch.from_numpy(flipped)

    def __repr__(self) -> str:
        return f'{type(self).__name__}(prob={self.prob})'
