"""Whole batches from memory, through MMPretrain's own parts."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import RepeatDataset
from mmengine.dataset.utils import default_collate, pseudo_collate
from mmengine.runner import Runner
from mmpretrain.datasets import CustomDataset
from mmpretrain.datasets.transforms import PackInputs
from mmpretrain.evaluation import Accuracy
from mmpretrain.registry import DATASETS, MODELS
from mmpretrain.structures import DataSample
from torch.utils.data import DataLoader

from mmrazor_lakd import SettingError
from mmrazor_lakd.datasets import (
    Digits,
    InMemoryCIFAR10,
    InMemoryDataset,
    whole_batch_collate,
)

ROOT = Path(__file__).parents[2]
CROP = dict(type='BatchRandomCrop', padding=4)
FLIP = dict(type='BatchRandomFlip', prob=0.5)


class ToyImages(InMemoryDataset):
    """Twenty random images in four classes."""

    METAINFO = {'classes': ('a', 'b', 'c', 'd')}

    def load_arrays(self):
        generator = torch.Generator().manual_seed(0)
        shape = (20, 3, 32, 32)
        images = torch.randint(
            256, shape, generator=generator, dtype=torch.uint8
        )
        return images, torch.arange(20) % 4


@pytest.fixture
def made():
    return ToyImages(ann_file='')


def loader_config(workers=0, collate='default_collate', **dataset):
    return dict(
        batch_size=8,
        num_workers=workers,
        dataset=dict(type='mmpretrain.Digits', **dataset),
        sampler=dict(type='DefaultSampler', shuffle=True),
        collate_fn=dict(type=collate),
    )


def test_sample_is_what_pack_inputs_gives(made):
    """Types, shapes and fields, against MMPretrain's own PackInputs."""
    for idx in (0, 7, -1):
        sample = made[idx]
        reference = PackInputs()(made.get_data_info(idx))
        assert set(sample) == set(reference)
        assert sample['inputs'].dtype == reference['inputs'].dtype
        assert torch.equal(sample['inputs'], reference['inputs'])
        ours, theirs = sample['data_samples'], reference['data_samples']
        assert type(ours) is DataSample
        assert ours.metainfo == theirs.metainfo
        assert ours.keys() == theirs.keys() == ['gt_label']
        assert torch.equal(ours.gt_label, theirs.gt_label)
        # nothing of MMEngine's bookkeeping is missing, whatever its version
        state, expected = dict(vars(ours)), dict(vars(theirs))
        state.pop('gt_label'), expected.pop('gt_label')
        assert state == expected
        assert ours.gt_label.dtype == theirs.gt_label.dtype


def test_batch_is_the_samples(made):
    indices = [3, 11, 3, 0, -2]
    batch = made.__getitems__(indices)
    assert len(batch) == 5
    for sample, idx in zip(batch, indices):
        single = made[idx]
        assert torch.equal(sample['inputs'], single['inputs'])
        assert sample['data_samples'].sample_idx == idx % 20
        label = sample['data_samples'].gt_label
        assert label.shape == (1,) and label.item() == idx % 20 % 4
    with pytest.raises(IndexError):
        made.__getitems__([20])


def test_samples_are_new_for_every_batch(made):
    first = made.__getitems__([1, 1])
    first[0]['data_samples'].set_pred_score([0.1, 0.9])
    first[0]['data_samples'].gt_label.fill_(3)
    first[0]['inputs'].zero_()
    for sample in (first[1], made.__getitems__([1])[0]):
        assert 'pred_score' not in sample['data_samples']
        assert sample['data_samples'].gt_label.item() == 1
        assert torch.equal(sample['inputs'], made.images[1])


def test_augmentation_is_drawn_for_each_image_and_seeded():
    dataset = ToyImages(ann_file='', pipeline=[CROP, FLIP])
    torch.manual_seed(0)
    batch = torch.stack([s['inputs'] for s in dataset.__getitems__([2] * 64)])
    # 81 windows, mirrored or not
    assert len({image.numpy().tobytes() for image in batch}) > 30
    torch.manual_seed(0)
    again = dataset.__getitems__([2] * 64)
    assert torch.equal(torch.stack([s['inputs'] for s in again]), batch)


def test_mmpretrains_questions(made):
    assert len(made) == 20
    assert made.CLASSES == ('a', 'b', 'c', 'd')
    assert made.metainfo['classes'] == ('a', 'b', 'c', 'd')
    assert made.class_to_idx['d'] == 3
    assert made.get_cat_ids(6) == [2]
    assert made.get_gt_labels().tolist() == [0, 1, 2, 3] * 5
    info = made.get_data_info(-1)
    assert info['sample_idx'] == 19 and info['gt_label'] == 3
    image = made.images[19].permute(1, 2, 0).numpy()
    assert np.array_equal(info['img'], image)


@pytest.mark.parametrize(
    'indices,expected',
    [(3, [0, 1, 2]), (-3, [17, 18, 19]), ([5, 2, 5], [5, 2, 5]), (0, [])],
)
def test_subsets(made, indices, expected):
    chosen = ToyImages(ann_file='', indices=indices)
    subset = made.get_subset(indices)
    for dataset in (chosen, subset):
        assert len(dataset) == len(expected)
        assert torch.equal(dataset.images, made.images[expected])
        assert dataset.get_gt_labels().tolist() == [i % 4 for i in expected]
    assert len(made) == 20


def test_lazy_init_loads_at_first_use():
    dataset = ToyImages(ann_file='', lazy_init=True)
    assert not hasattr(dataset, 'images')
    assert 'initialized' in repr(dataset)
    assert len(dataset) == 20
    assert 'Number of samples: \t20' in repr(dataset)


def test_wrappers_of_mmengine(made):
    dataset = RepeatDataset(made, times=2)
    assert len(dataset) == 40
    assert torch.equal(dataset[25]['inputs'], made.images[5])


class NoSingleSamples(ToyImages):
    """Gives whole batches and nothing else."""

    def __getitem__(self, idx):
        raise AssertionError('a single sample was asked for')


@pytest.mark.skipif(
    not hasattr(torch, 'compile'),
    reason='PyTorch before 2.0 asks for single samples',
)
def test_loader_fetches_whole_batches():
    loader = DataLoader(
        NoSingleSamples(ann_file=''), batch_size=8, collate_fn=default_collate
    )
    assert [len(batch['inputs']) for batch in loader] == [8, 8, 4]


@pytest.mark.parametrize('workers', [0, 2])
@pytest.mark.parametrize(
    'collate', ['default_collate', 'pseudo_collate', 'whole_batch_collate']
)
def test_train_step_and_predict(workers, collate):
    """Through MMEngine's loader, the preprocessor, a model and a metric."""
    config = loader_config(workers, collate, pipeline=[CROP], indices=20)
    loader = Runner.build_dataloader(config, seed=0)
    cfg = Config.fromfile(ROOT / 'configs/_base_/datasets/digits_bs64.py')
    model = MODELS.build(
        dict(
            type='ImageClassifier',
            data_preprocessor=cfg.data_preprocessor,
            backbone=dict(type='LeNet5'),
            neck=dict(type='GlobalAveragePooling'),
            head=dict(type='LinearClsHead', num_classes=10, in_channels=120),
        )
    )
    model.backbone.features[0] = torch.nn.Conv2d(3, 6, 5)  # it takes grey ones
    metric = Accuracy(topk=(1,))
    seen = []
    for batch in loader:
        data = model.data_preprocessor(batch, training=True)
        assert data['inputs'].shape[1:] == (3, 32, 32)
        assert data['inputs'].dtype == torch.float32
        loss = model.loss(**data)['loss']
        loss.backward()
        assert torch.isfinite(loss)
        predictions = model.predict(**data)
        for prediction in predictions:
            assert prediction.pred_score.shape == (10,)
            seen.append((prediction.sample_idx, prediction.gt_label.item()))
        metric.process(batch, [p.to_dict() for p in predictions])
    # every sample once, each with its own label
    labels = loader.dataset.get_gt_labels()
    assert sorted(seen) == [(i, labels[i]) for i in range(20)]
    assert 0 <= metric.evaluate(20)['accuracy/top1'] <= 100


@pytest.mark.parametrize('workers', [0, 2])
def test_loader_is_seeded(workers):
    def run():
        torch.manual_seed(0)
        config = loader_config(workers, pipeline=[CROP], indices=40)
        loader = Runner.build_dataloader(config, seed=5)
        return torch.cat([batch['inputs'] for batch in loader])

    assert torch.equal(run(), run())


def test_collate_functions_give_the_same(made):
    batch = made.__getitems__(range(6))
    whole = whole_batch_collate(batch)
    stacked = default_collate(batch)
    listed = pseudo_collate(batch)
    assert whole['inputs'].shape == (6, 3, 32, 32)
    assert torch.equal(whole['inputs'], stacked['inputs'])
    assert torch.equal(whole['inputs'], torch.stack(listed['inputs']))
    assert set(whole) == set(stacked) == set(listed)
    for one in (stacked, listed):
        assert type(one['data_samples']) is type(whole['data_samples'])
        assert one['data_samples'] == whole['data_samples']


def test_whole_batch_collate_takes_lists_of_samples(made):
    """From other data sets, and with PyTorch before 2.0."""
    samples = [made[i] for i in range(6)]
    collated = whole_batch_collate(samples)
    reference = default_collate(samples)
    assert torch.equal(collated['inputs'], reference['inputs'])
    assert collated['data_samples'] == reference['data_samples']


def test_transforms_for_single_images_are_refused():
    per_image = [dict(type='RandomCrop', crop_size=32, padding=4)]
    with pytest.raises(SettingError) as refusal:
        Digits(pipeline=[CROP, *per_image])
    message = str(refusal.value)
    assert 'RandomCrop, which treats one image' in message
    assert "type='mmpretrain.CustomDataset'" in message
    assert '\n' not in message
    # before the folder is looked at
    with pytest.raises(SettingError, match="type='mmpretrain.ConvertedCIFAR"):
        InMemoryCIFAR10(data_root='nowhere', pipeline=per_image)
    # the alternative that is named exists
    assert DATASETS.get('mmpretrain.CustomDataset') is CustomDataset
