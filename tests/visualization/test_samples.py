"""What a network is shown is what its test pipeline would have given."""

import numpy as np
import pytest
import torch
from bad_images import photo
from conftest import ROOT, classifier
from mmengine.config import Config
from mmpretrain.registry import DATASETS, MODELS
from PIL import Image

from mmrazor_lakd.checkpoints.networks import Network
from mmrazor_lakd.errors import SettingError
from mmrazor_lakd.visualization.own_images import UnusableImage
from mmrazor_lakd.visualization.samples import Reader

DIGITS = 'configs/kd/kd_resnet20_resnet8_1xb64_digits.py'
IMAGENET = 'configs/kd/kd_resnet34_resnet18_8xb32_imagenet.py'


@pytest.fixture(scope='module')
def network():
    model = MODELS.build(classifier(8)).eval()
    return Network('student', model, model.data_preprocessor, '', '')


def read_config(path):
    return Config.fromfile(str(ROOT / path))


def test_imagenet_pipeline_is_the_configs_own(tmp_path, network):
    """The same pixels as the data set gives for the same file."""
    cfg = read_config(IMAGENET)
    noise = np.random.RandomState(0).randint(0, 256, (40, 60, 3))
    image = Image.fromarray(noise.astype(np.uint8)).resize((600, 400))
    image.save(tmp_path / 'a.png')
    (tmp_path / 'ann.txt').write_text('a.png 3\n')
    dataset = DATASETS.build(
        dict(
            type='CustomDataset',
            data_root=str(tmp_path),
            ann_file='ann.txt',
            pipeline=cfg.test_dataloader.dataset.pipeline,
            test_mode=True,
        )
    )
    expected = dataset[0]['inputs']
    sample = Reader(cfg, IMAGENET, network).read(tmp_path / 'a.png')
    assert sample.inputs.shape == (3, 224, 224)
    assert torch.equal(sample.inputs, expected)
    # For the eyes it is RGB, while OpenCV's pipeline is BGR.
    assert (sample.image == expected.permute(1, 2, 0).flip(2).numpy()).all()
    assert sample.label is None


@pytest.mark.parametrize('converts', [True, False])
def test_images_that_the_pipeline_normalises(tmp_path, network, converts):
    """They are shown as RGB, whatever the order that it packs."""
    cfg = read_config(IMAGENET)
    mean = dict(mean=[0, 0, 0], std=[1, 1, 1])
    step = dict(type='mmpretrain.Normalize', to_rgb=converts, **mean)
    cfg.test_dataloader.dataset.pipeline.insert(-1, step)
    red = np.zeros((300, 300, 3), np.uint8)
    red[..., 0] = 255
    Image.fromarray(red).save(tmp_path / 'red.png')
    sample = Reader(cfg, IMAGENET, network).read(tmp_path / 'red.png')
    assert sample.inputs.dtype == torch.float32
    assert (sample.image == [255, 0, 0]).all()


def test_images_for_a_data_set_in_memory(tmp_path, network):
    """Any size becomes the network's, cropped at the centre."""
    reader = Reader(read_config(DIGITS), DIGITS, network)
    photo(120, 40).save(tmp_path / 'wide.png')
    sample = reader.read(tmp_path / 'wide.png')
    assert sample.inputs.shape == (3, 32, 32)
    assert sample.inputs.dtype == torch.uint8
    image = sample.inputs.permute(1, 2, 0).numpy()
    assert (sample.image == image).all()
    # red and blue meet in the middle; above it is brighter
    assert image[20, 4].tolist() == pytest.approx([200, 0, 0], abs=8)
    assert image[20, 28].tolist() == pytest.approx([0, 0, 200], abs=8)
    assert image[4, 4].tolist() == pytest.approx([255, 55, 55], abs=8)
    reader = Reader(read_config(DIGITS), DIGITS, network, size=64)
    assert reader.read(tmp_path / 'wide.png').image.shape == (64, 64, 3)


def test_per_image_pipeline_without_a_size(tmp_path, network):
    cfg = read_config(DIGITS)
    cfg.test_dataloader.dataset.pipeline = [dict(type='PackInputs')]
    photo(500, 300).save(tmp_path / 'a.png')
    sample = Reader(cfg, DIGITS, network).read(tmp_path / 'a.png')
    assert sample.inputs.shape == (3, 32, 32)
    # without a loader the data set gives RGB
    assert (sample.image == sample.inputs.permute(1, 2, 0).numpy()).all()


def test_grey_networks_get_grey_images(tmp_path):
    model = MODELS.build(
        dict(
            type='ImageClassifier',
            backbone=dict(type='LeNet5'),
            head=dict(type='ClsHead'),
        )
    )
    preprocessor = model.data_preprocessor
    network = Network('student', model.eval(), preprocessor, '', '')
    photo().save(tmp_path / 'a.png')
    sample = Reader(read_config(DIGITS), DIGITS, network).read(
        tmp_path / 'a.png'
    )
    assert sample.inputs.shape == (1, 32, 32)
    assert sample.image.shape == (32, 32, 3)


def test_a_pipeline_that_fails_is_told_by_image(tmp_path, network):
    cfg = read_config(IMAGENET)
    cfg.test_dataloader.dataset.pipeline[-1].input_key = 'image'
    photo().save(tmp_path / 'a.png')
    with pytest.raises(UnusableImage, match='fails in the pipeline'):
        Reader(cfg, IMAGENET, network).read(tmp_path / 'a.png')


def test_test_data(network):
    reader = Reader(read_config(DIGITS), DIGITS, network)
    first = reader.choose(None, 5, seed=0)
    assert first == reader.choose(None, 5, seed=0) == sorted(set(first))
    assert first != reader.choose(None, 5, seed=1)
    assert len(reader.choose(None, 1000, seed=0)) == 445
    assert reader.choose([7, 3, 7], 8, seed=0) == [7, 3, 7]
    sample = reader.take(7)
    assert sample.name == 'test image 7'
    assert sample.label == reader.dataset.get_gt_labels()[7]
    expected = reader.dataset.get_data_info(7)['img']
    assert (sample.image == expected).all()
    with pytest.raises(SettingError, match='--indices has 445.*0 to 444'):
        reader.choose([445], 8, seed=0)


def test_one_missing_file_of_the_test_data(network, tmp_path):
    cfg = read_config(IMAGENET)
    (tmp_path / 'ann.txt').write_text('a.png 3\nb.png 5\n')
    photo(300, 300).save(tmp_path / 'b.png')
    cfg.test_dataloader.dataset.update(
        type='CustomDataset',
        data_root=str(tmp_path),
        ann_file='ann.txt',
        test_mode=True,
    )
    del cfg.test_dataloader.dataset['split']
    reader = Reader(cfg, IMAGENET, network)
    assert reader.choose(None, 8, seed=0) == [0, 1]
    with pytest.raises(UnusableImage, match="can't be read"):
        reader.take(0)
    assert reader.take(1).label == 5


def test_missing_test_data(network, tmp_path):
    cfg = read_config(IMAGENET)
    cfg.test_dataloader.dataset.data_root = str(tmp_path / 'none')
    with pytest.raises(SettingError, match="can't be read.*of your own"):
        Reader(cfg, IMAGENET, network).choose(None, 8, seed=0)
    cfg.test_dataloader = cfg.val_dataloader = None
    with pytest.raises(SettingError, match='has no test_dataloader'):
        Reader(cfg, IMAGENET, network)
