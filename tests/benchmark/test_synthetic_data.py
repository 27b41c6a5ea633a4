"""Synthetic images stand in for data sets that are not there."""

import pytest
import torch
from conftest import ROOT
from mmengine.config import Config
from mmengine.runner import Runner
from mmpretrain.registry import DATASETS

from mmrazor_lakd import SettingError
from mmrazor_lakd.benchmark.cost.synthetic_data import (
    make_images,
    replace_train_data,
)
from mmrazor_lakd.cli import _set_dataloader_defaults

CIFAR = ROOT / 'configs/kd/kd_resnet20_resnet8_1xb128_cifar10.py'


def first_batch(cfg):
    _set_dataloader_defaults(cfg.train_dataloader, 'mmpretrain')
    return next(iter(Runner.build_dataloader(cfg.train_dataloader, seed=0)))


def test_own_data_set_keeps_its_pipeline():
    cfg = Config.fromfile(CIFAR)
    cfg.train_dataloader.dataset.data_root = 'there/is/none'
    pipeline = cfg.train_dataloader.dataset.pipeline
    assert 'InMemoryCIFAR10' in replace_train_data(cfg, 40)
    assert cfg.train_dataloader.dataset.pipeline == pipeline
    batch = first_batch(cfg)
    assert batch['inputs'].shape == (128, 3, 40, 40)
    assert batch['inputs'].dtype == torch.uint8
    # the crop's black border is there, so the pipeline is
    assert (batch['inputs'][:, :, 0] == 0).all(-1).any()
    labels = torch.cat([s.gt_label for s in batch['data_samples']])
    assert set(labels.tolist()) == set(range(10))


def test_data_set_of_files_is_replaced():
    cfg = Config.fromfile(CIFAR)
    cfg.train_dataloader.num_workers = 4
    cfg.train_dataloader.collate_fn = dict(type='default_collate')
    cfg.train_dataloader.dataset = dict(
        type='RepeatDataset',
        times=2,
        dataset=dict(
            type='mmpretrain.ImageNet',
            data_root='there/is/none',
            pipeline=[dict(type='LoadImageFromFile')],
        ),
    )
    cfg.train_dataloader.batch_size = 8
    cfg.data_preprocessor.num_classes = 1000
    note = replace_train_data(cfg, 224)
    assert 'ImageNet' in note and '224x224' in note
    assert cfg.train_dataloader.dataset.type == 'RepeatDataset'
    batch = first_batch(cfg)
    assert batch['inputs'].shape == (8, 3, 224, 224)


def test_size_is_that_of_the_configured_images():
    cfg = Config.fromfile(ROOT / 'configs/teachers/resnet8_1xb64_digits.py')
    assert '32x32' in replace_train_data(cfg)


def test_size_is_asked_for_where_there_are_no_files():
    cfg = Config.fromfile(CIFAR)
    cfg.train_dataloader.dataset.data_root = 'there/is/none'
    with pytest.raises(SettingError, match='InMemoryCIFAR10.*--image-size'):
        replace_train_data(cfg)


def test_how_many():
    images, labels = make_images(224, 1000, batch_size=256)
    assert len(images) == len(labels) == 8 * 256
    images, labels = make_images(64, 7, batch_size=256)
    assert len(images) == 200 * 2**20 // (3 * 64 * 64)
    assert labels.max() == 6
    assert len(make_images(8, 10, batch_size=1)[0]) == 50_000


def test_data_sets_given_as_classes():
    """As in MMEngine's configs of Python's own syntax."""
    cfg = Config.fromfile(CIFAR)
    cfg.train_dataloader.dataset.type = DATASETS.get(
        cfg.train_dataloader.dataset.type
    )
    assert 'InMemoryCIFAR10' in replace_train_data(cfg, 40)
    assert first_batch(cfg)['inputs'].shape == (128, 3, 40, 40)
    cfg.train_dataloader.dataset.type = DATASETS.get('ImageNet')
    assert 'ImageNet and its pipeline' in replace_train_data(cfg, 40)
