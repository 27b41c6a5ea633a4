"""Small images held in memory, loaded a whole batch at a time."""

import copy
from typing import Any, Dict, List, Sequence, Tuple, Union

import numpy as np
import torch
from mmpretrain.datasets import BaseDataset
from mmpretrain.structures import DataSample
from torch import Tensor

from ..errors import SettingError
from .batch_transforms import BatchTransform
from .image_batch import ImageBatch


class InMemoryDataset(BaseDataset):
    """An MMPretrain data set that keeps all images in one tensor.

    A subclass returns the images in :meth:`load_arrays`. A data loader gets
    what MMPretrain's ``PackInputs`` would return, so that any collate
    function, data preprocessor, head and metric works. With PyTorch 2 the
    loader fetches whole batches (:meth:`__getitems__`); older versions fetch
    one sample after another, with the same result, more slowly. It is fastest
    with ``collate_fn=dict(type='whole_batch_collate')``.

    Workers are not needed: ``num_workers=0`` is usually fastest, since
    building a batch takes less time than passing it between processes.

    Args:
        *args: Arguments of the MMPretrain data set that it extends.
        pipeline (Sequence): Configs of
            :class:`~mmrazor_lakd.datasets.BatchTransform`, such as
            ``BatchRandomCrop``. No packing transform is needed: samples are
            packed here.
        lazy_init (bool): Whether to load the images at first use rather than
            at once. Defaults to False.
        **kwargs: Keyword arguments of the MMPretrain data set that it
            extends, such as ``metainfo``, ``indices`` and ``test_mode``.

    Raises:
        SettingError: If the pipeline has a transform for single images.
    """

    #: what to use with an MMPretrain pipeline, for the error message
    per_image_alternative = "type='mmpretrain.CustomDataset'"
    # The base's, whose type can't be told from what is set here.
    _fully_initialized: bool

    def __init__(
        self,
        *args: Any,
        pipeline: Sequence = (),
        lazy_init: bool = False,
        **kwargs: Any,
    ):
        super().__init__(*args, pipeline=pipeline, lazy_init=True, **kwargs)
        for transform in self.pipeline.transforms:
            if not isinstance(transform, BatchTransform):
                raise SettingError(
                    f'{type(self).__name__} makes whole batches and can not '
                    f'use {type(transform).__name__}, which treats one image: '
                    'take BatchRandomCrop and BatchRandomFlip (nothing packs '
                    'the inputs), or a data set that has a pipeline for each '
                    f'image: {self.per_image_alternative}.'
                )
        if not lazy_init:
            self.full_init()

    def load_arrays(self) -> Tuple[Tensor, Tensor]:
        """Load the whole data set.

        Returns:
            tuple[Tensor, Tensor]: Images, uint8, shape (N, 3, H, W), and
            labels, int64, shape (N,).
        """
        raise NotImplementedError

    def full_init(self) -> None:
        """Load the images and select the subset given by ``indices``."""
        if self._fully_initialized:
            return
        self.images, self.labels = self.load_arrays()
        self._fully_initialized = True
        if self._indices is not None:
            self.get_subset_(self._indices)

    def get_subset_(self, indices: Union[int, Sequence[int]]) -> None:
        """Keep only some of the samples.

        Args:
            indices (int | Sequence[int]): Indices of the samples; or a number,
                for that many of the first ones, or of the last ones if it is
                negative.
        """
        self.full_init()
        if isinstance(indices, int):
            chosen = slice(indices) if indices >= 0 else slice(indices, None)
        else:
            chosen = torch.as_tensor(indices, dtype=torch.long)
        self.images = self.images[chosen]
        self.labels = self.labels[chosen]

    def get_subset(
        self, indices: Union[int, Sequence[int]]
    ) -> 'InMemoryDataset':
        """Like :meth:`get_subset_`, but leaves this data set unchanged."""
        self.full_init()
        subset = copy.copy(self)
        subset.get_subset_(indices)
        return subset

    def __len__(self) -> int:
        self.full_init()
        return len(self.labels)

    def get_data_info(self, idx: int) -> Dict[str, Any]:
        """Return one sample without augmentation, like MMPretrain's CIFAR10.

        Args:
            idx (int): Its index.

        Returns:
            dict: ``img``, an array (H, W, 3); ``gt_label`` and
            ``sample_idx``.
        """
        idx = range(len(self))[idx]
        image = self.images[idx].permute(1, 2, 0).numpy().copy()
        label = int(self.labels[idx])
        return dict(img=image, gt_label=label, sample_idx=idx)

    def get_gt_labels(self) -> np.ndarray:
        """Return all labels, shape (N,)."""
        self.full_init()
        return self.labels.numpy().copy()

    def get_cat_ids(self, idx: int) -> List[int]:
        """Return the label of one sample, in a list."""
        return [int(self.labels[range(len(self))[idx]])]

    def __getitem__(self, idx: int) -> Dict[str, Any]:
        """Return one augmented and packed sample, see :meth:`__getitems__`."""
        return self.__getitems__([idx])[0]

    def __getitems__(self, indices: Sequence[int]) -> ImageBatch:
        """Return a batch of augmented and packed samples.

        Args:
            indices (Sequence[int]): B indices.

        Returns:
            ImageBatch: B samples, each with ``inputs``, uint8, shape
            (3, H, W), and ``data_samples``, a new DataSample with
            ``gt_label``, int64, shape (1,), and ``sample_idx``.
        """
        places = range(len(self))
        indices = [places[int(i)] for i in indices]
        # indexing takes PyTorch 15 times as long as NumPy
        images = torch.from_numpy(self.images.numpy()[indices])
        labels = torch.from_numpy(self.labels.numpy()[indices])
        samples = []
        for idx, label in zip(indices, labels.split(1)):
            # New ones each time: a model writes its predictions into them.
            # MMEngine's setters would take half of the whole batch's time, so
            # their resulting state is written directly.
            sample = DataSample.__new__(DataSample)
            sample.__dict__.update(
                _metainfo_fields={'sample_idx'},
                _data_fields={'gt_label'},
                sample_idx=idx,
                gt_label=label,
            )
            samples.append(sample)
        return ImageBatch(self.pipeline(images), samples)
