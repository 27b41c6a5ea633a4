"""The images of an analysis: test images and unaugmented training images."""

import copy
from typing import Any, Dict, List, Optional

import numpy as np
import torch
from mmengine.config import Config, ConfigDict
from mmengine.runner import Runner
from mmpretrain.registry import DATASETS
from torch.utils.data import DataLoader, Subset

from ..datasets.class_names import named_classes
from ..errors import SettingError

# Share of the test images that may be among the training images: CIFAR's data
# sets, for example, hold a few images twice.
MOST_SHARED = 0.01


def evenly_spaced(count: int, total: int) -> torch.Tensor:
    """Choose evenly spaced indices below ``total``: (count,), int64."""
    return torch.arange(count) * total // count


def find_test_loader(cfg: Config) -> Optional[ConfigDict]:
    """Return a config's settings of the test loader, or None.

    A config without one falls back to the validation data loader.
    """
    return cfg.get('test_dataloader') or cfg.get('val_dataloader')


def find_pipeline_owners(dataset: Dict[str, Any]) -> List[Dict[str, Any]]:
    """Return the configs of a data set, or of wrapped ones, with a pipeline.

    Of a ConcatDataset these are several.
    """
    if dataset.get('pipeline'):
        return [dataset]
    if dataset.get('dataset'):  # of RepeatDataset
        return find_pipeline_owners(dataset['dataset'])
    found = [find_pipeline_owners(one) for one in dataset.get('datasets', [])]
    return sum(found, []) or [dataset]


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
    pipeline = find_pipeline_owners(settings['dataset'])[0].get('pipeline', [])
    for owner in find_pipeline_owners(dataset):
        owner['pipeline'] = copy.deepcopy(pipeline)
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


def check_no_overlap(test: DataLoader, probe: DataLoader) -> None:
    """Check that probes are tested on other images than they are fitted to.

    Images are told apart by their files, or by their pixels if a data set
    holds these; a data set that has neither is not checked.

    Raises:
        SettingError: If the two share more images than data sets repeat by
            themselves.
    """
    tested, fitted = _images_of(test), set(_images_of(probe))
    shared = sum(image in fitted for image in tested)
    if shared > MOST_SHARED * len(tested):
        raise SettingError(
            f'{shared} of the {len(tested)} test images are also among the '
            f'{len(probe.dataset)} training images that the linear probes are '
            f'fitted to; choose others by --cfg-options '
            f'train_dataloader.dataset.indices=..., or write --probe-images 0 '
            f'to do without.'
        )


def _images_of(loader: DataLoader) -> List[Any]:
    """Return what tells the images of a loader apart, as far as known."""
    dataset, places = loader.dataset, range(len(loader.dataset))
    if isinstance(dataset, Subset):
        dataset, places = dataset.dataset, dataset.indices
    if not hasattr(dataset, 'get_data_info'):
        return []
    found = []
    for place in places:
        info = dataset.get_data_info(place)
        if info.get('img') is not None:
            found.append(hash(np.asarray(info['img']).tobytes()))
        elif info.get('img_path'):
            found.append(info['img_path'])
    return found


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
    scope = cfg.get('default_scope')
    return named_classes(loader.get('dataset', {}), checkpoint, scope)
