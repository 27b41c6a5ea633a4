"""The batched crop and flip against slow ones, image by image."""

import numpy as np
import pytest
import torch
from mmpretrain.datasets.transforms import RandomCrop
from torch import Tensor

from mmrazor_lakd import SettingError
from mmrazor_lakd.datasets import BatchRandomCrop, BatchRandomFlip


@pytest.fixture
def images() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    # no zeros, so that what the padding adds can be told
    shape = (64, 3, 8, 10)
    return torch.randint(1, 256, shape, generator=generator, dtype=torch.uint8)


def crop_slowly(
    image: Tensor, padding: int, top: int, left: int, height: int, width: int
) -> Tensor:
    """Cut a window out of one zero-padded image, pixel by pixel."""
    _, h, w = image.shape
    cut = torch.zeros(3, height, width, dtype=torch.uint8)
    for y in range(height):
        for x in range(width):
            from_y, from_x = top + y - padding, left + x - padding
            if 0 <= from_y < h and 0 <= from_x < w:
                cut[:, y, x] = image[:, from_y, from_x]
    return cut


@pytest.mark.parametrize('padding,size', [(2, None), (0, 5), (3, 7), (0, 8)])
def test_crop_equals_slow_crop(images, padding, size):
    height, width = (size, size) if size else images.shape[-2:]
    transform = BatchRandomCrop(padding=padding, crop_size=size)
    torch.manual_seed(3)
    cut = transform(images)

    # the same draws, in the same order
    torch.manual_seed(3)
    top = torch.randint(8 + 2 * padding - height + 1, (64,)).tolist()
    left = torch.randint(10 + 2 * padding - width + 1, (64,)).tolist()
    slow = [
        crop_slowly(image, padding, y, x, height, width)
        for image, y, x in zip(images, top, left)
    ]
    assert cut.dtype == torch.uint8
    assert torch.equal(cut, torch.stack(slow))


def test_crop_gives_what_mmpretrain_gives(images):
    """Every window of MMPretrain's RandomCrop comes out, and no other."""
    image = images[0, :, :, :8]
    reference = RandomCrop(crop_size=8, padding=1)
    hwc = image.permute(1, 2, 0).numpy()
    np.random.seed(0)
    windows = {
        reference(dict(img=hwc.copy()))['img'].transpose(2, 0, 1).tobytes()
        for _ in range(200)
    }
    assert len(windows) == 9

    torch.manual_seed(0)
    many = image.expand(9000, -1, -1, -1)
    cut = BatchRandomCrop(padding=1)(many)
    found = [window.numpy().tobytes() for window in cut]
    assert set(found) == windows
    counts = [found.count(window) for window in windows]
    # 1000 expected of each; the standard deviation is 30
    assert min(counts) > 850 and max(counts) < 1150


def test_flip_mirrors_about_half_and_leaves_the_rest(images):
    torch.manual_seed(0)
    flipped = BatchRandomFlip(prob=0.5)(images)
    mirrored = 0
    for before, after in zip(images, flipped):
        is_mirror = all(
            torch.equal(after[:, :, x], before[:, :, 9 - x]) for x in range(10)
        )
        mirrored += is_mirror
        assert is_mirror or torch.equal(after, before)
    # 32 expected; the standard deviation is 4
    assert 16 < mirrored < 48


@pytest.mark.parametrize('prob', [0, 1])
def test_flip_of_none_and_all(images, prob):
    flipped = BatchRandomFlip(prob=prob)(images)
    assert torch.equal(flipped, images.flip(-1) if prob else images)


@pytest.mark.parametrize(
    'transform', [BatchRandomCrop(padding=4), BatchRandomFlip(prob=1.0)]
)
def test_transforms_leave_their_input_alone(images, transform):
    before = images.clone()
    result = transform(images)
    result.zero_()
    assert torch.equal(images, before)


@pytest.mark.parametrize(
    'transform', [BatchRandomCrop(padding=4), BatchRandomFlip()]
)
def test_transforms_follow_the_global_seed(images, transform):
    torch.manual_seed(7)
    first = transform(images)
    torch.manual_seed(7)
    assert torch.equal(transform(images), first)
    assert not torch.equal(transform(images), first)


def test_wrong_settings_are_refused(images):
    with pytest.raises(SettingError, match='prob between 0 and 1, got 2'):
        BatchRandomFlip(prob=2)
    with pytest.raises(SettingError, match='padding >= 0'):
        BatchRandomCrop(padding=-1)
    with pytest.raises(SettingError, match='crop_size >= 1'):
        BatchRandomCrop(crop_size=0)
    with pytest.raises(SettingError, match='can not cut 13x13 out of 12x14'):
        BatchRandomCrop(padding=2, crop_size=13)(images)
