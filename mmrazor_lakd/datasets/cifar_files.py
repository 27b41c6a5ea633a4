"""The files of CIFAR in the layout of the official Python release.

A batch file is a pickled dict with ``data``, a uint8 array (N, 3072) whose
rows hold the red, the green and the blue plane of an image, and ``labels``,
a list of N integers (``fine_labels`` in CIFAR-100).
"""

import hashlib
import io
import pickle
from typing import Any, Dict, Optional, Sequence, Tuple

import numpy as np

CIFAR10_FOLDER = 'cifar-10-batches-py'

#: SHA-256 of each CIFAR-10 batch written as :func:`records` does. These are
#: the bytes of the official *binary* release: their SHA-1 is the one that
#: Apache MXNet (``gluon.data.vision.CIFAR10``) expects for the official
#: ``data_batch_1.bin`` ... ``test_batch.bin``. Pixels, labels and their order
#: are therefore the official ones, whoever wrote the pickle around them.
CIFAR10_CONTENT: Dict[str, str] = {
    'data_batch_1': (
        'cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5'
    ),
    'data_batch_2': (
        'a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed'
    ),
    'data_batch_3': (
        'bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67'
    ),
    'data_batch_4': (
        '014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48'
    ),
    'data_batch_5': (
        '755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add'
    ),
    'test_batch': (
        '8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b'
    ),
}


def records(data: np.ndarray, labels: Sequence[int]) -> bytes:
    """Write a batch as the official binary release of CIFAR-10 does.

    Args:
        data (np.ndarray): Pixels, uint8, shape (N, 3072), channel-planar.
        labels (Sequence[int]): N labels below 256.

    Returns:
        bytes: N records of one label byte and 3072 pixel bytes.
    """
    label_column = np.asarray(labels, dtype=np.uint8).reshape(-1, 1)
    return np.hstack([label_column, data]).tobytes()


def content_sha256(data: np.ndarray, labels: Sequence[int]) -> str:
    """Return the SHA-256 of a batch as written by :func:`records`."""
    return hashlib.sha256(records(data, labels)).hexdigest()


class _ArrayUnpickler(pickle.Unpickler):
    """Unpickles arrays and plain values and calls nothing else.

    A file must be read before its content can be checked, and an ordinary
    unpickler would run whatever code an untrusted file names.
    """

    allowed = {
        ('numpy', 'ndarray'),
        ('numpy', 'dtype'),
        ('_codecs', 'encode'),  # how protocol 2 stores bytes
    }
    # how NumPy pickles an array; the module moved in NumPy 2
    array_modules = ('numpy.core.', 'numpy._core.')
    array_makers = {
        '_reconstruct': np.ndarray(0).__reduce__()[0],
        '_frombuffer': np.ndarray(0).__reduce_ex__(5)[0],
    }

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith(self.array_modules) and name in self.array_makers:
            return self.array_makers[name]
        if (module, name) in self.allowed:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f'{module}.{name} in a data file')


def parse_batch(content: bytes) -> Tuple[np.ndarray, list]:
    """Read one pickled CIFAR batch without running untrusted code.

    Args:
        content (bytes): Content of the file.

    Returns:
        tuple[np.ndarray, list]: Pixels, uint8, (N, 3072), channel-planar, and
        N labels (the fine ones of CIFAR-100).

    Raises:
        ValueError: If the file is truncated or holds something else.
    """
    try:
        unpickler = _ArrayUnpickler(io.BytesIO(content), encoding='latin1')
        entry = unpickler.load()
        labels = entry['labels' if 'labels' in entry else 'fine_labels']
        data = entry['data']
        fits = data.dtype == np.uint8 and data.shape == (len(labels), 3072)
    except Exception as error:  # a damaged pickle can raise almost anything
        raise ValueError(f'not a CIFAR batch: {error}') from error
    if not fits:
        raise ValueError(
            f'not a CIFAR batch: data {data.dtype} {data.shape} with '
            f'{len(labels)} labels'
        )
    return data, labels


def is_official_content(content: bytes, sha256: Optional[str]) -> bool:
    """Check whether a batch's pixels and labels have the given SHA-256."""
    if sha256 is None:
        return False
    try:
        return content_sha256(*parse_batch(content)) == sha256
    except ValueError:
        return False


class _ArrayPickler(pickle.Pickler):
    """Pickles an array by ``numpy.ndarray(shape, dtype, buffer)``.

    NumPy's own pickles name a private module that moved in NumPy 2, so that
    older versions can't read a file written by it.
    """

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, np.ndarray):
            return np.ndarray, (obj.shape, obj.dtype.str, obj.tobytes())
        return NotImplemented


def pickled(entry: dict) -> bytes:
    """Pickle a dict of arrays and plain values."""
    file = io.BytesIO()
    _ArrayPickler(file, protocol=4).dump(entry)
    return file.getvalue()
