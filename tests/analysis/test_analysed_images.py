"""Which images are looked at, and what their classes are called."""

import pytest
import torch
from conftest import ROOT

from mmrazor_lakd.analysis.data import (
    evenly_spaced,
    list_classes,
    make_probe_loader,
    make_test_loader,
)
from mmrazor_lakd.checkpoints.networks import read_config
from mmrazor_lakd.errors import SettingError

PAIR = 'resnet20_resnet8_1xb64_digits'


def config(method):
    return read_config(str(ROOT / f'configs/{method}/{method}_{PAIR}.py'))


def test_images():
    cfg = config('lakd')
    assert len(make_test_loader(cfg).dataset) == 445
    test = make_test_loader(cfg, 100)
    assert len(test.dataset) == 100
    probe = make_probe_loader(cfg, 500)
    # In order and without the training's random crop: twice the same.
    first, second = (
        torch.cat([batch['inputs'] for batch in probe]) for _ in range(2)
    )
    assert torch.equal(first, second) and len(first) == 500
    images = probe.dataset.dataset.images
    assert len(images) == 1352
    assert torch.equal(first, images[evenly_spaced(500, 1352)])
    assert cfg.train_dataloader.dataset.pipeline  # and left as it is
    cfg.train_dataloader = None
    with pytest.raises(SettingError, match='--probe-images 0'):
        make_probe_loader(cfg)


def test_classes():
    assert list_classes(config('kd'), {}) == list('0123456789')
    cfg = config('kd')
    cfg.test_dataloader.dataset.metainfo = dict(classes=('a', 'b'))
    assert list_classes(cfg, {}) == ['a', 'b']
    cfg.test_dataloader.dataset = dict(type='CustomDataset')
    meta = dict(meta=dict(dataset_meta=dict(classes=('c', 'd'))))
    assert list_classes(cfg, meta) == ['c', 'd']
    assert list_classes(cfg, {}) == []
