"""The size of the training images, from a pipeline."""

import pytest
from mmengine.config import Config

from mmrazor_lakd import SettingError
from mmrazor_lakd.config_writer.own_pair.image_size import (
    find_image_size,
    shrink,
)

CROP = dict(type='RandomCrop', crop_size=32, padding=4)


def size(*pipeline, model=None, **dataset):
    if pipeline:
        dataset['pipeline'] = [*pipeline, dict(type='PackInputs')]
    loader = dict(dataset=dict(type='Unknown', **dataset))
    cfg = Config(dict(model=model or {}, train_dataloader=loader))
    return find_image_size(cfg, None, 'mine.py')


@pytest.mark.parametrize(
    ('pipeline', 'expected'),
    [
        ([CROP], (32, 32)),
        ([dict(type='mmpretrain.RandomResizedCrop', scale=176)], (176, 176)),
        # MMCV writes width, height
        ([dict(type='Resize', scale=(1333, 800))], (800, 1333)),
        (
            [
                dict(type='RandomResize', scale=[(1333, 640), (1333, 800)]),
                dict(type='RandomFlip', prob=0.5),
            ],
            (800, 1333),
        ),
        (
            [
                dict(type='RandomResize', scale=(2048, 1024)),
                dict(type='RandomCrop', crop_size=(512, 1024)),
            ],
            (512, 1024),
        ),
        ([dict(type='ResizeEdge', scale=256), CROP], (32, 32)),
        ([dict(type='CenterCrop', crop_size=(64, 32))], (32, 64)),
        (
            [
                dict(type='Resize', scale=(96, 64)),
                dict(
                    type='RandomCrop',
                    crop_type='relative_range',
                    crop_size=(0.5, 0.5),
                ),
            ],
            (64, 96),
        ),
    ],
)
def test_the_last_transform_that_sets_a_size(pipeline, expected):
    assert size(*pipeline) == expected


def test_wrapped_data_and_the_preprocessor():
    inner = dict(type='Inner', pipeline=[CROP])
    assert size(dataset=inner) == (32, 32)
    assert size(datasets=[inner]) == (32, 32)
    padded = dict(data_preprocessor=dict(size=(64, 128)))
    assert size(dict(type='RandomFlip'), model=padded) == (64, 128)
    with pytest.raises(SettingError, match='mine.py.*--input-size HEIGHT'):
        size(dict(type='RandomFlip'))
    # It sets one edge, the image the other.
    with pytest.raises(SettingError, match='--input-size HEIGHT'):
        size(CROP, dict(type='ResizeEdge', scale=32))


def test_shrunk_sizes_keep_their_proportions():
    assert shrink((800, 1333)) == (320, 512)
    assert shrink((512, 512)) == (512, 512)
