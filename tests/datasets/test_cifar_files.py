"""Reading and writing batch files."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from mmrazor_lakd.datasets.cifar_files import (
    parse_batch,
    pickled,
    records,
)


@pytest.fixture
def batch():
    """Six synthetic images and their labels."""
    rng = np.random.default_rng(0)
    data = rng.integers(256, size=(6, 3072), dtype=np.uint8)
    return data, rng.integers(10, size=6).tolist()


class Foreign:
    """Unpickling this with an ordinary unpickler makes a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.mkdir, (Path(self.path),)


def test_foreign_code_in_a_file_is_not_run(tmp_path):
    made = tmp_path / 'made'
    entry = dict(data=Foreign(made), labels=[])
    content = pickle.dumps(entry)
    with pytest.raises(ValueError, match='not a CIFAR batch'):
        parse_batch(content)
    assert not made.exists()
    pickle.loads(content)  # so the test can fail
    assert made.exists()


@pytest.mark.parametrize('protocol', [2, 3, 4, 5])
def test_arrays_of_every_protocol_are_read(batch, protocol):
    data, labels = batch
    content = pickle.dumps(dict(data=data, labels=labels), protocol=protocol)
    # what NumPy 1 wrote, such as the official files, and what NumPy 2 writes
    old = content.replace(b'numpy._core.multiarray', b'numpy.core.multiarray')
    if protocol < 4:  # later ones write a name's length before it
        assert np.array_equal(parse_batch(old)[0], data)
    parsed, parsed_labels = parse_batch(content)
    assert np.array_equal(parsed, data) and parsed_labels == labels


def test_written_pickle_is_read_by_an_ordinary_unpickler(tmp_path, batch):
    """As torchvision and MMPretrain read it; it names no private module."""
    data, labels = batch
    path = tmp_path / 'test_batch'
    path.write_bytes(pickled(dict(data=data, labels=labels)))
    with path.open('rb') as file:
        entry = pickle.load(file, encoding='latin1')
    assert np.array_equal(np.vstack([entry['data']]), data)
    assert entry['data'].dtype == np.uint8 and entry['labels'] == labels
    assert b'multiarray' not in path.read_bytes()


def test_records_are_the_binary_releases(batch):
    data, labels = batch
    content = records(data, labels)
    assert len(content) == 6 * 3073
    second = content[3073 : 2 * 3073]
    assert second[0] == labels[1] and second[1:] == data[1].tobytes()
