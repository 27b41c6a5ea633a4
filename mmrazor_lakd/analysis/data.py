"""The images of an analysis: test images and unaugmented training images."""

import copy
from typing import Any, Dict, List, Optional

import torch
from mmengine.config import Config, ConfigDict
from mmengine.runner import Runner
from mmpretrain.registry import DATASETS
from torch.utils.data import DataLoader, Subset

from ..errors import SettingError


def evenly_spaced(count: int, total: int) -> torch.Tensor:
    """Choose evenly spaced indices below ``total``: (count,), int64."""
    return torch.arange(count) * total // count


def find_test_loader(cfg: Config) -> Optional[ConfigDict]:
    """Return a config's settings of the test loader, or None.

    A config without one falls back to the validation data loader.
    """
    return cfg.get('test_dataloader') or cfg.get('val_dataloader')


def find_pipeline_owner(dataset: Dict[str, Any]) -> Dict[str, Any]:
    """Return the config of a data set, or of a wrapped one with a pipeline."""
    while not dataset.get('pipeline') and dataset.get('dataset'):
        dataset = dataset['dataset']  # of RepeatDataset
    return dataset


def make_test_loader(
    cfg: Config, num_images: Optional[int] = None
) -> DataLoader:
    """Build a loader of the test images, in order.

    Args:
        cfg (Config): A config of a training.
        num_images (int, optional): How many of them, evenly spaced; all by
            default.

    Raises:
        SettingError: If the config has no test images.
    """
    settings = _loader_settings(cfg)
    return _make_loader(settings, settings['dataset'], num_images)


def make_probe_loader(
    cfg: Config, num_images: Optional[int] = None
) -> DataLoader:
    """Build a loader of training images, in order, without augmentation.

    They go through the pipeline of the test images.

    Args:
        cfg (Config): A config of a training.
        num_images (int, optional): How many of them, evenly spaced; all by
            default.

    Raises:
        SettingError: If the config has no training images.
    """
    if cfg.get('train_dataloader') is None:
        raise SettingError(
            'The config has no train_dataloader, from whose images the '
            'linear probes learn; write --probe-images 0 to do without.'
        )
    settings = _loader_settings(cfg)
    dataset = copy.deepcopy(cfg.train_dataloader.dataset)
    pipeline = find_pipeline_owner(settings['dataset']).get('pipeline', [])
    find_pipeline_owner(dataset)['pipeline'] = copy.deepcopy(pipeline)
    return _make_loader(settings, dataset, num_images)


def _loader_settings(cfg: Config) -> Dict[str, Any]:
    """Return the settings of the test data loader."""
    settings = find_test_loader(cfg)
    if settings is None:
        raise SettingError(
            'The config has neither test_dataloader nor val_dataloader, so '
            'that there are no images to analyse; add one.'
        )
    return settings


def _make_loader(settings, dataset, num_images) -> DataLoader:
    """Build a loader that yields the images in order."""
    dataset = DATASETS.build(dataset)
    if hasattr(dataset, 'full_init'):
        dataset.full_init()
    if not len(dataset):
        raise SettingError(
            f'{type(dataset).__name__} has no image; look at what chooses '
            f'them (data_root, ann_file, split, indices).'
        )
    if num_images is not None and num_images < len(dataset):
        chosen = evenly_spaced(num_images, len(dataset)).tolist()
        dataset = Subset(dataset, chosen)
    return Runner.build_dataloader(
        {
            **settings,
            'dataset': dataset,
            'sampler': dict(type='DefaultSampler', shuffle=False),
            'drop_last': False,
        }
    )


def labels_of(batch: Dict[str, Any]) -> torch.Tensor:
    """Collect the labels of a batch, (N,), int64.

    Raises:
        SettingError: If the images don't have one label each.
    """
    samples = batch['data_samples']
    found = [sample.get('gt_label') for sample in samples]
    if any(label is None or label.numel() != 1 for label in found):
        raise SettingError(
            'The images need one label each, but some have none or several; '
            'give a data set for classification into one class.'
        )
    return torch.cat([label.view(1) for label in found])


def class_names(loader: DataLoader, num_classes: int) -> list:
    """Return the names of the classes, or their numbers if they have none."""
    dataset = loader.dataset
    dataset = dataset.dataset if isinstance(dataset, Subset) else dataset
    names = getattr(dataset, 'metainfo', {}).get('classes')
    if names is None or len(names) != num_classes:
        names = range(num_classes)
    return [str(name) for name in names]


def list_classes(cfg: Config, checkpoint: Dict[str, Any]) -> List[str]:
    """Return the names of the classes, without reading the data.

    Args:
        cfg (Config): With the test data.
        checkpoint (dict): From a training on them.

    Returns:
        list[str]: Empty if there are none.
    """
    loader = find_test_loader(cfg) or {}
    dataset = loader.get('dataset', {})
    kind = dataset.get('type')
    known = DATASETS.get(kind) if isinstance(kind, str) else kind
    for source in (
        dataset,
        dataset.get('metainfo') or {},
        checkpoint.get('meta', {}).get('dataset_meta') or {},
        getattr(known, 'METAINFO', {}),
    ):
        classes = source.get('classes')
        if classes and not isinstance(classes, str):
            return [str(name) for name in classes]
    return []
