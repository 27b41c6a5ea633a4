"""Pictures painted of CIFAR-10's images."""

import json
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT
from fork_server import call_tool
from PIL import Image

from mmrazor_lakd import SettingError
from mmrazor_lakd.datasets.canvas import (
    BATCHES,
    coco_annotations,
    paint,
    paint_all,
    read_objects,
)
from mmrazor_lakd.datasets.cifar_files import CIFAR10_FOLDER, pickled

TOOL = 'tools/dataset_converters/cifar10_canvas.py'


@pytest.fixture(scope='module')
def cifar10(tmp_path_factory):
    """A CIFAR-10 of 20 images a batch, each of one grey: 10 times its class.

    The test batch's are lighter by 100.
    """
    root = tmp_path_factory.mktemp('cifar10')
    folder = root / CIFAR10_FOLDER
    folder.mkdir()
    labels = list(range(10)) * 2
    for name in sum(BATCHES.values(), []):
        grey = 10 * np.array(labels) + 100 * (name == 'test_batch')
        data = np.repeat(grey[:, None], 3072, axis=1).astype(np.uint8)
        entry = dict(labels=labels, data=data)
        (folder / name).write_bytes(pickled(entry))
    return root


def test_objects_are_of_the_split_and_the_classes(cifar10):
    images, labels = read_objects(cifar10, 'train', ['frog', 'cat'])
    assert images.shape == (20, 32, 32, 3)
    assert set(zip(images[:, 0, 0, 0], labels)) == {(60, 0), (30, 1)}
    images, _ = read_objects(cifar10, 'val', ['frog'])
    assert set(images[:, 0, 0, 0]) == {160}


def test_boxes_and_masks_are_where_the_objects_are():
    rng = np.random.default_rng(0)
    images = np.zeros((3, 32, 32, 3), dtype=np.uint8)
    images += np.array([1, 2, 3], dtype=np.uint8)[:, None, None, None]
    for _ in range(20):
        canvas = paint(images, np.array([2, 0, 1]), 96, rng)
        assert canvas.labels[0] == 2
        left = np.ones((96, 96), dtype=bool)
        for (x, y, w, h), label in zip(canvas.boxes, canvas.labels):
            grey = [2, 0, 1].index(label) + 1
            inside = canvas.mask == label + 1
            assert (canvas.image[inside] == grey).all()
            rows, columns = np.nonzero(inside)
            assert (columns.min(), rows.min()) == (x, y)
            assert columns.max() - columns.min() + 1 == w
            assert rows.max() - rows.min() + 1 == h
            left &= ~inside
        assert (canvas.mask[left] == 0).all()


def test_every_image_is_used_before_one_is_used_again():
    grey = np.arange(100, dtype=np.uint8)
    images = np.zeros((100, 32, 32, 3), dtype=np.uint8)
    images += grey[:, None, None, None]
    labels = np.arange(100)  # of an object, which image it is
    seen = []
    for canvas in paint_all(images, labels, 30, 200, seed=0):
        seen += canvas.labels
    assert len(seen) > 50
    assert len(set(seen)) == len(seen)


def test_a_seed_paints_the_same(cifar10):
    objects = read_objects(cifar10, 'train', ['frog'])
    first, again, other = (
        next(paint_all(*objects, 1, 96, seed)).image for seed in (3, 3, 4)
    )
    assert (first == again).all()
    assert (first != other).any()


def test_coco_annotations():
    rng = np.random.default_rng(0)
    images = np.zeros((2, 32, 32, 3), dtype=np.uint8)
    canvases = [paint(images, np.array([1, 0]), 128, rng) for _ in range(2)]
    found = coco_annotations(canvases, ['a.png', 'b.png'], ['cat', 'dog'])
    assert [image['file_name'] for image in found['images']] == [
        'a.png',
        'b.png',
    ]
    assert [c['id'] for c in found['categories']] == [1, 2]
    objects = found['annotations']
    assert [o['id'] for o in objects] == list(range(1, len(objects) + 1))
    assert objects[0]['bbox'] == list(canvases[0].boxes[0])
    assert objects[0]['category_id'] == 2
    area = (canvases[0].mask == 2).sum()
    assert objects[0]['area'] == area
    # that of a circle
    assert area == pytest.approx(
        0.25 * np.pi * objects[0]['bbox'][2] ** 2, 0.03
    )


@pytest.mark.parametrize(
    'classes, message',
    [(['frog', 'fog'], "no class 'fog'"), ([], "no class ''")],
)
def test_classes_that_are_none(cifar10, classes, message):
    with pytest.raises(SettingError, match=message):
        read_objects(cifar10, 'train', classes)


def test_no_cifar10(tmp_path):
    with pytest.raises(SettingError, match='cifar10_from_npm.py'):
        read_objects(tmp_path, 'train', ['frog'])


def test_the_tool(cifar10, tmp_path):
    done = subprocess.run(
        [sys.executable, TOOL, cifar10, tmp_path, '--train=4', '--val=3'],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    for split, count in (('train', 4), ('val', 3)):
        found = json.loads(
            (tmp_path / f'annotations/{split}.json').read_text()
        )
        assert len(found['images']) == count
        for image in found['images']:
            for kind, mode in (('img_dir', 'RGB'), ('ann_dir', 'L')):
                path = tmp_path / kind / split / image['file_name']
                picture = Image.open(path)
                assert picture.mode == mode
                assert picture.size == (96, 96)
    too_small = call_tool(TOOL, cifar10, tmp_path, '--size=40')
    assert too_small.returncode == 2
    assert too_small.stderr.startswith('error: --size=40 is smaller')
