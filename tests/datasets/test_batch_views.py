"""Views of a batch, and transforms of single images in one."""

import numpy as np
import pytest
import torch
from conftest import ROOT
from mmengine.config import Config
from mmengine.registry import FUNCTIONS
from mmpretrain.registry import TRANSFORMS
from mmpretrain.structures import DataSample
from torch.utils.data import DataLoader

from mmrazor_lakd import SettingError
from mmrazor_lakd.datasets import InMemoryDataset

CROP = dict(type='mmpretrain.BatchRandomCrop', padding=4)


class Images(InMemoryDataset):
    """Ten images, which say their number."""

    def load_arrays(self):
        images = torch.arange(10, dtype=torch.uint8).view(10, 1, 1, 1)
        return images.expand(10, 3, 8, 6).contiguous(), torch.arange(10)


def batches(dataset):
    collate = FUNCTIONS.get('views_collate')
    return list(DataLoader(dataset, batch_size=4, collate_fn=collate))


def test_the_views_of_a_batch_follow_one_another():
    other = dict(
        type='mmpretrain.BatchPerImage',
        transforms=[dict(type='mmpretrain.Invert', prob=1.0)],
    )
    views = dict(type='mmpretrain.BatchViews', views=[[], [other], []])
    found = batches(Images('', pipeline=[views]))
    assert [len(batch['data_samples']) for batch in found] == [12, 12, 6]
    for batch in found:
        weak, strong, third = batch['inputs'].chunk(3)
        numbers = [sample.sample_idx for sample in batch['data_samples']]
        assert numbers == numbers[: len(weak)] * 3
        assert weak[:, 0, 0, 0].tolist() == numbers[: len(weak)]
        assert torch.equal(strong, 255 - weak) and torch.equal(third, weak)
        # a model writes its predictions into them
        assert len(set(map(id, batch['data_samples']))) == len(numbers)


def test_samples_that_come_one_by_one_make_the_same_batch():
    """As before PyTorch 2."""
    views = dict(type='mmpretrain.BatchViews', views=[[], []])
    dataset = Images('', pipeline=[views])
    collate = FUNCTIONS.get('views_collate')
    single, whole = (
        collate([dataset[i] for i in (3, 5)]),
        collate(dataset.__getitems__([3, 5])),
    )
    assert torch.equal(single['inputs'], whole['inputs'])
    assert single['inputs'].shape == (4, 3, 8, 6)
    for one, other in zip(single['data_samples'], whole['data_samples']):
        assert isinstance(one, DataSample)
        assert (one.sample_idx, one.gt_label) == (
            other.sample_idx, other.gt_label
        )  # fmt: skip


def test_views_are_drawn_on_their_own():
    torch.manual_seed(0)
    images = torch.randint(0, 256, (8, 3, 16, 16)).to(torch.uint8)
    views = TRANSFORMS.build(dict(type='BatchViews', views=[[CROP], [CROP]]))(
        images
    )
    assert views.shape == (8, 2, 3, 16, 16)
    assert not torch.equal(views[:, 0], views[:, 1])


def test_colours_are_weighed_in_their_order():
    """MMPretrain's grey is 0.299 R + 0.587 G + 0.114 B."""
    grey = dict(type='mmpretrain.ColorTransform', magnitude=-1.0, prob=1.0)
    grey['random_negative_prob'] = 0.0
    per_image = TRANSFORMS.build(dict(type='BatchPerImage', transforms=[grey]))
    red = torch.zeros(1, 3, 4, 4, dtype=torch.uint8)
    red[:, 0] = 200
    assert set(per_image(red).flatten().tolist()) == {60}
    assert red[:, 0].unique().item() == 200  # not modified


def test_the_strong_view_of_mlkd():
    """All 14 policies and the holes, in images of another size too."""
    cfg = Config.fromfile(ROOT / 'configs/_base_/distillers/mlkd.py')
    (views,) = cfg.mlkd_train_dataloader.dataset.pipeline
    weak, strong = views.views
    assert weak == strong[:2]
    augment, cutout = strong[2].transforms
    assert len(augment.policies) == 14
    torch.manual_seed(0)
    images = torch.randint(1, 256, (40, 3, 32, 32)).to(torch.uint8)
    np.random.seed(0)
    transform = TRANSFORMS.build(strong[2])
    changed = transform(images)
    assert changed.shape == images.shape and changed.dtype == torch.uint8
    assert (changed != images).flatten(1).any(1).float().mean() > 0.9
    np.random.seed(0)
    assert torch.equal(transform(images), changed)
    holes = TRANSFORMS.build(dict(type='BatchPerImage', transforms=[cutout]))(
        torch.zeros_like(images)
    )
    filled = holes[holes.sum(1, keepdim=True).expand_as(holes) > 0]
    assert set(filled.tolist()) == {125, 123, 114}
    assert holes[:, 0].max() == 125 and holes[:, 2].max() == 114
    share = (holes[:, 0] > 0).float().mean()
    assert 0.02 < share < 0.2  # a mean of 1/12, less what lies outside


def test_single_images_are_refused():
    with pytest.raises(SettingError, match='BatchViews.*RandomFlip.*PerImage'):
        TRANSFORMS.build(
            dict(
                type='BatchViews', views=[[dict(type='RandomFlip', prob=1.0)]]
            )
        )
    views = TRANSFORMS.build(dict(type='BatchViews', views=[[CROP]]))
    with pytest.raises(SettingError, match='one image; take .*InMemoryCIFAR'):
        views(dict(img=np.zeros((8, 8, 3), np.uint8)))
