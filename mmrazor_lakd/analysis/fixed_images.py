"""The same few images, evaluated repeatedly during training."""

import random
from contextlib import contextmanager
from typing import Iterator, List, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from ..config_check.channels import packed_order
from .data import evenly_spaced

# Attributes of preprocessors of mmpretrain, mmdetection and mmsegmentation.
TO_RGB = ('to_rgb', '_channel_conversion', 'channel_conversion')


@contextmanager
def kept_random_state() -> Iterator[None]:
    """Restore the state of all random generators on exit."""
    python, numpy = random.getstate(), np.random.get_state()
    gpus = range(torch.cuda.device_count())
    try:
        with torch.random.fork_rng(gpus):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


class FixedImages:
    """Images of the validation data, or else of the training data.

    They are in batches of that data loader's size, since a detector takes few
    of its images at once, and a segmentor's may differ in size.

    Args:
        runner (Runner): MMEngine's, with its loops built.
        count (int): Maximum number of images, evenly spaced in the data.
    """

    def __init__(self, runner, count: int) -> None:
        loop = runner.val_loop or runner.train_loop
        loader = loop.dataloader
        name = 'val_dataloader' if runner.val_loop else 'train_dataloader'
        # None in a Runner that was made without a config.
        self._settings = runner.cfg.get(name)
        self.total = min(count, len(loader.dataset))
        chosen = evenly_spaced(self.total, len(loader.dataset))
        size = getattr(loader.batch_sampler, 'batch_size', 1)
        self.batches = [
            loader.collate_fn([loader.dataset[i] for i in part.tolist()])
            for part in chosen.split(size)
        ]

    def inputs(self, model: nn.Module) -> Iterator[torch.Tensor]:
        """Preprocess batch after batch as in validation: (N, C, H, W)."""
        for batch in self.batches:
            yield model.data_preprocessor(batch, False)['inputs']

    def shown(self, model: nn.Module, count: int) -> List[np.ndarray]:
        """Return some of the images as RGB, each (H, W, 3), uint8.

        They are padded as the network's images are, which its maps cover.

        Args:
            model (nn.Module): Model whose preprocessor pads them.
                If the loader's config is unknown, it tells their order.
            count (int): Maximum number of images, evenly spaced.
        """
        padded = [
            (image.cpu(), inputs.shape[-2:])
            for batch, inputs in zip(self.batches, self.inputs(model))
            for image in batch['inputs']
        ]
        chosen = (padded[place] for place in self.places(count).tolist())
        if self._settings:
            from_bgr = packed_order(self._settings) == 'BGR'
        else:
            reader = model.data_preprocessor
            from_bgr = any(getattr(reader, name, False) for name in TO_RGB)
        return [_show(image, size, from_bgr) for image, size in chosen]

    def places(self, count: int) -> torch.Tensor:
        """Return the indices that :meth:`shown` chooses, (count,)."""
        return evenly_spaced(min(count, self.total), self.total)


def _show(
    image: torch.Tensor, size: Sequence[int], from_bgr: bool
) -> np.ndarray:
    """Turn an image (C, h, w) into one to show, (H, W, 3), uint8."""
    if len(image) == 3 and from_bgr:
        image = image.flip(0)
    if image.dtype != torch.uint8:
        low, high = image.min(), image.max()
        image = (image - low) / (high - low).clamp(min=1e-12) * 255
    height, width = image.shape[-2:]
    # at the right and the bottom, as data preprocessors do
    image = F.pad(image, (0, size[1] - width, 0, size[0] - height))
    image = image.expand(3, -1, -1)  # grey ones too
    return image.permute(1, 2, 0).byte().numpy()
