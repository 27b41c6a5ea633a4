"""The same few images, evaluated repeatedly during training."""

import random
from contextlib import contextmanager
from typing import Iterator

import numpy as np
import torch
from torch import nn

from .data import evenly_spaced

#: attributes of preprocessors of mmpretrain, mmdetection and mmsegmentation
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

    Args:
        runner (Runner): MMEngine's, with its loops built.
        count (int): Maximum number of images, evenly spaced in the data.
    """

    def __init__(self, runner, count: int) -> None:
        loop = runner.val_loop or runner.train_loop
        loader = loop.dataloader
        count = min(count, len(loader.dataset))
        chosen = evenly_spaced(count, len(loader.dataset)).tolist()
        self.batch = loader.collate_fn([loader.dataset[i] for i in chosen])

    def inputs(self, model: nn.Module) -> torch.Tensor:
        """Preprocess the images as in validation: (N, C, H, W)."""
        return model.data_preprocessor(self.batch, False)['inputs']

    def shown(self, model: nn.Module, count: int) -> np.ndarray:
        """Return some of the images as RGB, (count, H, W, 3), uint8.

        Args:
            model (nn.Module): Model whose preprocessor knows the channel
                order.
            count (int): Maximum number of images, evenly spaced.
        """
        images = torch.stack(list(self.batch['inputs'])).cpu()
        images = images[self.places(count)]
        preprocessor = model.data_preprocessor
        from_bgr = any(getattr(preprocessor, name, False) for name in TO_RGB)
        if images.shape[1] == 3 and from_bgr:
            images = images.flip(1)  # from BGR
        if images.dtype != torch.uint8:
            low, high = (
                f(images.flatten(1), 1) for f in (torch.amin, torch.amax)
            )
            low, high = (x.view(-1, 1, 1, 1) for x in (low, high))
            images = (images - low) / (high - low).clamp(min=1e-12) * 255
        images = images.expand(-1, 3, -1, -1)  # grey ones too
        return images.permute(0, 2, 3, 1).byte().numpy()

    def places(self, count: int) -> torch.Tensor:
        """Return the indices that :meth:`shown` chooses, (count,)."""
        total = len(self.batch['inputs'])
        return evenly_spaced(min(count, total), total)
