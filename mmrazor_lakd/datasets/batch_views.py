"""Several views of each image of a batch, and other people's transforms."""

from typing import Any, Dict, List, Sequence

import numpy as np
import torch
from mmengine.registry import FUNCTIONS
from mmpretrain.registry import TRANSFORMS
from torch import Tensor

from ..errors import SettingError
from .batch_transforms import BatchTransform
from .image_batch import whole_batch_collate


@TRANSFORMS.register_module()
class BatchPerImage(BatchTransform):
    """Apply MMPretrain's transforms of single images to each of a batch.

    They get an image as MMPretrain loads it from a file, with its channels in
    the order B, G, R, which some of them weigh. They draw from NumPy's
    generator, which MMEngine seeds, in workers too.

    Args:
        transforms (Sequence[dict]): Configs of transforms that read and write
            ``img`` alone, such as ``RandAugment``, and keep its size.

    Example:
        >>> pipeline = [
        ...     dict(
        ...         type='mmpretrain.BatchPerImage',
        ...         transforms=[
        ...             dict(type='Posterize', bits=4, prob=0.5),
        ...         ],
        ...     )
        ... ]
    """

    def __init__(self, transforms: Sequence[Dict]):
        self.transforms = [TRANSFORMS.build(cfg) for cfg in transforms]

    def __call__(self, images: Tensor) -> Tensor:
        """See :class:`BatchTransform`."""
        done = []
        for image in images.numpy():
            bgr = np.ascontiguousarray(image[::-1].transpose(1, 2, 0))
            results = dict(img=bgr)
            for transform in self.transforms:
                results = transform(results)
            done.append(results['img'].transpose(2, 0, 1)[::-1])
        return torch.from_numpy(np.stack(done))

    def __repr__(self) -> str:
        return f'{type(self).__name__}(transforms={self.transforms})'


@TRANSFORMS.register_module()
class BatchViews(BatchTransform):
    """Make several views of each image, each by a pipeline of its own.

    The data loader needs ``collate_fn=dict(type='views_collate')``.

    Args:
        views (Sequence[Sequence[dict]]): The batch transforms of each view,
            which give images of one size.

    Raises:
        SettingError: If a view has a transform for single images, or in
            loading, if the data set isn't an :class:`InMemoryDataset`.

    Example:
        >>> crop = dict(type='mmpretrain.BatchRandomCrop', padding=4)
        >>> pipeline = [dict(type='mmpretrain.BatchViews', views=[[crop]] * 2)]
    """

    def __init__(self, views: Sequence[Sequence[Dict]]):
        self.views = [
            [TRANSFORMS.build(cfg) for cfg in view] for view in views
        ]
        for transform in (t for view in self.views for t in view):
            if not isinstance(transform, BatchTransform):
                raise SettingError(
                    f'BatchViews takes transforms of whole batches, but '
                    f'{type(transform).__name__} treats one image; write '
                    f"dict(type='BatchPerImage', transforms=[...]) around it."
                )

    def __call__(self, images: Tensor) -> Tensor:
        """Transform a batch.

        Args:
            images (Tensor): uint8, shape (N, C, H, W). Not modified.

        Returns:
            Tensor: uint8, shape (N, V, C, H', W'), of V views.

        Raises:
            SettingError: If a data set hands it one image.
        """
        if not isinstance(images, Tensor):
            raise SettingError(
                'BatchViews takes whole batches, but this data set gives its '
                'pipeline one image; take a data set in memory, such as '
                "type='mmpretrain.InMemoryCIFAR10'."
            )
        views: List[Tensor] = []
        for transforms in self.views:
            view = images
            for transform in transforms:
                view = transform(view)
            views.append(view)
        return torch.stack(views, 1)

    def __repr__(self) -> str:
        return f'{type(self).__name__}(views={self.views})'


@FUNCTIONS.register_module()
def views_collate(data_batch: Sequence) -> Dict[str, Any]:
    """Collate images of several views: a batch of one after the other.

    Args:
        data_batch (Sequence): As :func:`whole_batch_collate` takes it, of
            :class:`BatchViews`.

    Returns:
        dict: ``inputs``, shape (V * N, C, H, W), the N images of the first
        view first, and ``data_samples``, N copies for each view.
    """
    batch = whole_batch_collate(data_batch)
    inputs, samples = batch['inputs'], batch['data_samples']
    count = inputs.shape[1]
    return dict(
        inputs=inputs.transpose(0, 1).flatten(0, 1),
        data_samples=[s.clone() for _ in range(count) for s in samples],
    )
