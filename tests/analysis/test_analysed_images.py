"""Which images are looked at, and what their classes are called."""

import pytest
import torch
from conftest import ROOT

from mmrazor_lakd.analysis.data import (
    check_no_overlap,
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


def test_probes_are_not_tested_on_what_they_are_fitted_to():
    cfg = config('kd')
    test, probe = make_test_loader(cfg), make_probe_loader(cfg, 500)
    check_no_overlap(test, probe)
    cfg.test_dataloader.dataset.split = 'train'
    test = make_test_loader(cfg)
    with pytest.raises(SettingError, match='500 of the 1352 test images'):
        check_no_overlap(test, probe)
    cfg.test_dataloader.dataset.indices = -300
    cfg.train_dataloader.dataset.indices = 1052
    check_no_overlap(make_test_loader(cfg), make_probe_loader(cfg))


def test_concatenated_training_images():
    """Each of the data sets gets the pipeline of the test images."""
    cfg = config('kd')
    dataset = cfg.train_dataloader.dataset
    cfg.train_dataloader.dataset = dict(
        type='ConcatDataset', datasets=[dataset, dataset]
    )
    probe = make_probe_loader(cfg)
    assert len(probe.dataset) == 2 * 1352
    images = torch.cat([batch['inputs'] for batch in probe])
    assert torch.equal(images[:1352], images[1352:])
    with pytest.raises(SettingError, match='also among'):
        cfg.test_dataloader.dataset = cfg.train_dataloader.dataset
        check_no_overlap(make_test_loader(cfg), probe)
