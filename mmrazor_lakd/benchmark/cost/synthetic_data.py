"""Random images of the right size, for use without the real data."""

import inspect
from typing import Any, Optional, Tuple

import torch
from mmengine.config import Config
from mmpretrain.registry import DATASETS
from torch import Tensor

from ...config_check.kinds import class_of, type_name
from ...datasets.in_memory import InMemoryDataset
from ...errors import SettingError

# Maximum number of images, which is CIFAR's, and of bytes.
MAX_IMAGES = 50_000
MAX_BYTES = 200 * 2**20


def make_images(
    size: int, num_classes: int, batch_size: int
) -> Tuple[Tensor, Tensor]:
    """Make random images and labels: 200 MiB, or 8 batches if that is more.

    Args:
        size (int): Height and width in pixels.
        num_classes (int): The labels cycle through them.
        batch_size (int): Of the training.

    Returns:
        tuple[Tensor, Tensor]: uint8, shape (N, 3, size, size), N at most
        50,000; and int64, shape (N,).
    """
    count = min(MAX_IMAGES, MAX_BYTES // (3 * size * size))
    count = max(count, 8 * batch_size)
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(
        256, (count, 3, size, size), dtype=torch.uint8, generator=generator
    )
    return images, torch.arange(count) % num_classes


@DATASETS.register_module()
class SyntheticImages(InMemoryDataset):
    """Random images held in memory.

    Args:
        size (int): Height and width in pixels.
        num_classes (int): Number of classes.
        batch_size (int): Of the training; at least 8 batches are made.
        kwargs: Arguments of :class:`InMemoryDataset`.
    """

    def __init__(
        self, size: int, num_classes: int, batch_size: int, **kwargs: Any
    ) -> None:
        self.made = (size, num_classes, batch_size)
        classes = [str(number) for number in range(num_classes)]
        super().__init__(ann_file='', metainfo=dict(classes=classes), **kwargs)

    def load_arrays(self) -> Tuple[Tensor, Tensor]:
        """See :class:`InMemoryDataset`."""
        return make_images(*self.made)


def replace_train_data(cfg: Config, size: Optional[int] = None) -> str:
    """Make a config train on synthetic images.

    An in-memory data set of ours keeps its class and its pipeline, and gets
    other images. Any other one is replaced, together with the workers and the
    pipeline that would have read and cropped its images. Wrappers of data sets
    are kept.

    Args:
        cfg (Config): A training config; it is changed.
        size (int, optional): Height and width in pixels. Defaults to None:
            that of the configured data set's images.

    Returns:
        str: Description of the change, for a note.

    Raises:
        SettingError: If ``size`` is needed, but not given.
    """
    loader = cfg.train_dataloader
    dataset = loader.dataset
    while 'dataset' in dataset:
        dataset = dataset.dataset
    size = size or _configured_size(dataset)
    made = (size, _num_classes(cfg), loader.batch_size)
    kind = class_of(dataset.type, DATASETS)
    if kind is not None and issubclass(kind, InMemoryDataset):
        name = f'Synthetic{kind.__name__}'
        arrays = dict(load_arrays=lambda self: make_images(*made))
        DATASETS.register_module(
            name, force=True, module=type(name, (kind,), arrays)
        )
        dataset.type = f'mmpretrain.{name}'
        return f'{kind.__name__} has random images of {size}x{size}'
    name = type_name(dataset.type)
    dataset.clear()
    dataset.update(
        type='mmpretrain.SyntheticImages',
        size=size,
        num_classes=made[1],
        batch_size=loader.batch_size,
    )
    loader.num_workers = 0
    loader.persistent_workers = False
    loader.collate_fn = dict(type='whole_batch_collate')
    return (
        f'{name} and its pipeline are replaced by random images of '
        f'{size}x{size} in memory'
    )


def _configured_size(dataset: Config) -> int:
    """Build the configured data set to see how large its images are."""
    options = dict(dataset)
    try:
        kind = class_of(dataset.type, DATASETS)
        if 'download' in inspect.signature(kind).parameters:
            options['download'] = False
        return DATASETS.build(options)[0]['inputs'].shape[-1]
    except Exception as error:  # such as missing files
        raise SettingError(
            f'The data set {type_name(dataset.type)} gives no image whose '
            f'size could be taken ({str(error).splitlines()[0]}); set '
            f'--image-size.'
        ) from error


def _num_classes(cfg: Config) -> int:
    """Find the number of classes in the data preprocessor or in the head."""
    found = cfg.get('data_preprocessor', {}).get('num_classes')
    model = cfg.model.get('architecture', cfg.model)
    found = found or model.get('head', {}).get('num_classes')
    if not found:
        raise SettingError(
            'The config tells no number of classes for --synthetic-data; set '
            'data_preprocessor.num_classes.'
        )
    return found
