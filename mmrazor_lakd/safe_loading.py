"""Read PyTorch's files without running what is in them.

``torch.load`` runs whatever a file names, unless ``weights_only`` is set. That
is the default since PyTorch 2.6 only; and at no version for files that
MMEngine fetches from an address (``torch.hub.load_state_dict_from_url``).
"""

import codecs
import io
import os
import pickle
import zipfile
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import Counter, OrderedDict
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any, Dict, List, Optional, Tuple, Union
from urllib.parse import urlparse

import numpy as np
import torch
from mmengine.fileio import get_file_backend
from mmengine.logging import HistoryBuffer, print_log
from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler
from mmengine.runner import checkpoint as mmengine_checkpoint
from mmengine.utils import digit_version

Allowed = Dict[Tuple[str, str], Any]


#: the methods that are saved, by their class
METHODS = {
    HistoryBuffer: ('min', 'max', 'mean', 'current'),
    OneCycleParamScheduler: ('_annealing_cos', '_annealing_linear'),
}


def saved_method(owner: type, name: str):
    """Replace the ``getattr`` that MMEngine's checkpoints call.

    A ``HistoryBuffer`` is saved with its statistics and a ``OneCycleLR`` with
    its curve, and pickle writes a method as ``getattr(class, name)``. The
    real ``getattr`` must not be allowed, as it leads from any class to
    everything; this one returns only :data:`METHODS`.
    """
    if isinstance(owner, type) and name in METHODS.get(owner, ()):
        return getattr(owner, name)
    raise pickle.UnpicklingError(
        f'getattr({owner!r}, {name!r}) is no part of an MMEngine checkpoint'
    )


def mmengine_classes() -> Allowed:
    """Return what MMEngine's checkpoints hold, beside tensors.

    These are the logged values, each a ``HistoryBuffer`` of two NumPy arrays,
    the curve of a schedule, and NumPy scalars such as the best score. NumPy 1
    and 2 save the same two functions under different names; both can be read.

    Returns:
        dict: Keyed by the module and the name in the file.
    """
    rebuilders: List[Any] = [
        example.__reduce__()[0] for example in (np.zeros(1), np.float64(0))
    ]
    codes = np.typecodes['AllInteger'] + np.typecodes['AllFloat'] + '?'
    classes: List[type] = [*METHODS, np.ndarray, np.dtype]
    classes += [type(np.dtype(code)) for code in codes]
    allowed: Allowed = {(c.__module__, c.__name__): c for c in classes}
    for function in rebuilders:
        for core in ('core', '_core'):
            place = f'numpy.{core}.multiarray', function.__name__
            allowed[place] = function
    allowed['builtins', 'getattr'] = saved_method
    return allowed


def _pytorch_classes() -> Allowed:
    """Return what tensors, and the state of an optimizer, consist of."""
    rebuild = (
        '_rebuild_tensor', '_rebuild_tensor_v2', '_rebuild_parameter',
        '_rebuild_parameter_with_state', '_rebuild_qtensor',
        '_rebuild_sparse_tensor'
    )  # fmt: skip
    allowed: Allowed = {
        ('torch._utils', name): getattr(torch._utils, name)
        for name in rebuild
        if hasattr(torch._utils, name)
    }
    for name, value in vars(torch).items():
        if isinstance(value, torch.dtype):
            allowed['torch', name] = value
    allowed.update(
        {
            (
                'collections',
                'Counter',
            ): Counter,  # milestones
            ('collections', 'OrderedDict'): OrderedDict,
            ('torch', 'Size'): torch.Size,
            ('torch', 'device'): torch.device,
            ('torch.serialization', '_get_layout'): (
                torch.serialization._get_layout
            ),
            ('_codecs', 'encode'): codecs.encode,  # protocol 2's bytes
            ('builtins', 'bytearray'): bytearray,
            ('builtins', 'complex'): complex,
            ('builtins', 'set'): set,
        }
    )
    return allowed


class WeightsUnpickler(pickle.Unpickler):
    """Makes only what weights and MMEngine's checkpoints consist of.

    ``torch.load`` resolves the storages of tensors itself.
    """

    allowed: Optional[Allowed] = None

    def find_class(self, module: str, name: str) -> Any:
        """Return what a file names; UnpicklingError for all else."""
        if self.allowed is None:
            found = {**_pytorch_classes(), **mmengine_classes()}
            WeightsUnpickler.allowed = found
        # Protocol 2, which torch.save uses, has the names of Python 2.
        module, name = NAME_MAPPING.get(
            (module, name), (IMPORT_MAPPING.get(module, module), name)
        )
        try:
            return self.allowed[module, name]
        except KeyError:
            raise pickle.UnpicklingError(
                f'Unsupported class {module}.{name}'
            ) from None


def load_unprotected(file: Union[Path, IO[bytes]], map_location: Any) -> Any:
    """Read a file where PyTorch has no protection that can be extended.

    Args:
        file (Path | IO[bytes]): A file that ``torch.save`` wrote.
        map_location: As of ``torch.load``.

    Raises:
        pickle.UnpicklingError: If it holds more than weights.
    """
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
        # torch.load would hand it to torch.jit.load, which builds a program.
        if any(name.endswith('/constants.pkl') for name in names):
            raise pickle.UnpicklingError('Unsupported class torch.jit')
    if not isinstance(file, Path):
        file.seek(0)

    def load(file, **options) -> Any:
        return WeightsUnpickler(file, **options).load()

    module = SimpleNamespace(
        Unpickler=WeightsUnpickler, load=load, __name__=__name__
    )
    options: Dict[str, Any] = dict(pickle_module=module, weights_only=False)
    return torch.load(file, map_location=map_location, **options)


def is_protected(version: str) -> bool:
    """Check whether PyTorch's own protection can be told MMEngine's classes.

    Since 2.6 by any name, as NumPy's two need.
    """
    return digit_version(version) >= digit_version('2.6.0')


def load_weights(file: Union[Path, IO[bytes]], map_location: Any) -> Any:
    """Read a file of weights, or a checkpoint of MMEngine.

    Args:
        file (Path | IO[bytes]): A file that ``torch.save`` wrote.
        map_location: As of ``torch.load``.

    Raises:
        pickle.UnpicklingError: If it holds more than that.
    """
    if is_protected(torch.__version__):
        return torch.load(file, map_location=map_location, weights_only=True)
    return load_unprotected(file, map_location)


def protect_loading() -> None:
    """Make MMEngine read checkpoints by :func:`load_weights`."""
    loader = mmengine_checkpoint.CheckpointLoader
    loader.register_scheme('', load_from_local, force=True)
    loader.register_scheme(
        [r'(\S+\:)?s3://', r'(\S+\:)?petrel://'], load_from_ceph, force=True
    )
    mmengine_checkpoint.load_from_local = load_from_local
    # All other schemes end there, but that of one company's own storage.
    mmengine_checkpoint.load_url = load_url


def load_from_local(filename: str, map_location: Any = None) -> Any:
    """Replace MMEngine's loader of a file."""
    path = Path(os.path.expanduser(filename))
    if not path.is_file():
        raise FileNotFoundError(f'{path} can not be found.')
    return load_weights(path, map_location)


def load_from_ceph(
    filename: str, map_location: Any = None, backend: str = 'petrel'
) -> Any:
    """Replace MMEngine's loader of an object in a remote storage."""
    storage = get_file_backend(filename, backend_args=dict(backend=backend))
    return load_weights(io.BytesIO(storage.get(filename)), map_location)


def cached_file(url: str, model_dir: Optional[str] = None) -> Path:
    """Return where a file that was fetched is kept.

    Args:
        url (str): Its address.
        model_dir (str, optional): See :func:`load_url`.
    """
    folder = Path(model_dir or Path(torch.hub.get_dir(), 'checkpoints'))
    return folder / os.path.basename(urlparse(url).path)


def load_url(
    url: str,
    model_dir: Optional[str] = None,
    map_location: Any = None,
    progress: bool = True,
) -> Any:
    """Replace ``torch.hub.load_state_dict_from_url``.

    Args:
        url (str): Address of the file.
        model_dir (str, optional): Where it is kept. Defaults to PyTorch's
            folder.
        map_location: As of ``torch.load``.
        progress (bool): Whether to show a bar.
    """
    path = cached_file(url, model_dir)
    if path.exists():
        # As PyTorch, by its name alone: another address may have the same.
        print_log(f"'{url}' is taken from '{path}'.", logger='current')
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), progress=progress)
    return load_weights(path, map_location)
