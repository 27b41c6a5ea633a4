"""Make MMRazor 1.0.0 and MMEngine 0.10.7 work with today's PyTorch.

Three things are broken on some releases of PyTorch:

- ``import mmrazor.models`` fails on torch >= 2, because the sub-package
  ``mmrazor.structures.quantization`` builds its tables at import from private
  functions of ``torch.ao`` that no longer exist. Distillation doesn't need
  it, so it is replaced by placeholders that raise when used.
- MMEngine can't read its own checkpoints on torch >= 2.6, where
  ``torch.load`` accepts only known classes. Its classes are registered; the
  protection stays on, and is on where PyTorch has none
  (:mod:`~mmrazor_lakd.safe_loading`).
- MMRazor's algorithms switch off in-place activations, since one would
  overwrite the map recorded before it. They look for modules in an
  ``OrderedDict``, which ``nn.Module`` no longer has, and silently switch
  nothing off. The method is replaced by one that iterates over the modules.

Whether something is broken is determined by trying it, not by a version
number, and what works is left alone: on torch 1.13 :func:`apply` only
protects the reading of checkpoints.
"""

import ast
import importlib
import io
import multiprocessing
import os
import pickle
import sys
from functools import lru_cache, partial
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Dict, Iterable, List, Optional, Tuple

import numpy as np
import torch
from mmengine.logging import HistoryBuffer, print_log
from torch import nn

from .safe_loading import load_weights, mmengine_classes, protect_loading

QUANTIZATION = 'mmrazor.structures.quantization'


@lru_cache(maxsize=None)
def apply() -> Tuple[str, ...]:
    """Repair what is broken, and log it in one line.

    ``import mmrazor_lakd`` calls it before it imports anything from MMRazor.
    A second call in the same process does nothing.

    Returns:
        tuple[str]: What was done, one clause per repair; empty if nothing was
        broken. Every call returns the same.
    """
    protect_loading()
    repairs = (_stand_in(), _allow_checkpoints(), _switch_inplace_off())
    done = tuple(filter(None, repairs))
    if done and _is_main_process():
        print_log(f'mmrazor_lakd: {"; ".join(done)}.', logger='current')
    return done


def _is_main_process() -> bool:
    """Check whether this process is neither a worker nor a rank other than 0.

    From the launchers' variables, since a config's imports precede the
    process group that ``mmengine.dist`` needs.
    """
    ranks = ('RANK', 'SLURM_PROCID', 'OMPI_COMM_WORLD_RANK')
    return multiprocessing.parent_process() is None and all(
        os.environ.get(rank, '0') == '0' for rank in ranks
    )


# ------------------------------------------------- MMRazor's quantisation


class Unavailable:
    """Placeholder for a class, function or table of MMRazor's quantisation.

    It can be imported, named in annotations, copied and printed, since
    MMRazor's own modules do so at import. Any other use raises.

    Args:
        name (str): What it replaces, with its module.
        reason (str): Why that is missing, as a clause.
    """

    def __init__(self, name: str, reason: str) -> None:
        self._name = name
        self._reason = reason

    def __repr__(self) -> str:
        return f'<{self._name}, unavailable>'

    def __getattr__(self, attribute: str):
        # copy, pickle, inspect and notebooks look for private and special
        # names in any object, and expect an AttributeError.
        if attribute.startswith('_'):
            raise AttributeError(attribute)
        self._refuse()

    def _refuse(self, *args, **kwargs):
        raise ImportError(
            f"MMRazor's quantisation ({self._name}) is unavailable here, "
            f'because {self._reason}; install torch 1.13 to quantise.'
        )

    __call__ = _refuse
    __mro_entries__ = _refuse  # class Mine(BackendConfigs): ...
    __instancecheck__ = __subclasscheck__ = _refuse
    __getitem__ = __setitem__ = __contains__ = __iter__ = __len__ = _refuse


def _stand_in() -> Optional[str]:
    """Replace MMRazor's quantisation if, and only if, it can't be imported.

    Returns:
        str: What was done, or None if the import works.
    """
    # Not in the `try`: a missing or unsuitable MMRazor is for the user to
    # fix, and its own message says how.
    mmrazor = importlib.import_module('mmrazor')
    try:
        importlib.import_module(QUANTIZATION)
        return None
    except Exception as error:
        # The exception depends on what this PyTorch has removed; errors with
        # other causes recur in the import of mmrazor.structures.
        failure = error

    trees = _parse(Path(mmrazor.__file__).parent)
    missing = _missing_in_torch(trees.values())
    reason = f'PyTorch {torch.__version__} ' + (
        f'lacks {" and ".join(missing)}' if missing else f'gives: {failure}'
    )
    for name in trees:
        _install(name, trees, reason)

    _repeat_failed_imports()
    return f"MMRazor's quantisation is switched off, because {reason}"


def _parse(root: Path) -> Dict[str, ast.Module]:
    """Parse the files of MMRazor's quantisation, by module name."""
    trees = {}
    for file in sorted((root / 'structures' / 'quantization').rglob('*.py')):
        parts = file.relative_to(root.parent).with_suffix('').parts
        if parts[-1] == '__init__':
            parts = parts[:-1]
        trees['.'.join(parts)] = ast.parse(file.read_text(encoding='utf-8'))
    return trees


def _install(name: str, trees: Dict[str, ast.Module], reason: str) -> None:
    """Add a module with a placeholder for each name to ``sys.modules``.

    A package also has the names of everything below it.
    """
    below = [other for other in trees if other.startswith(f'{name}.')]
    module: Any = module_from_spec(
        ModuleSpec(name, None, is_package=bool(below))
    )
    module.__doc__ = f'Placeholders of mmrazor_lakd, because {reason}.'
    module.__all__ = sorted(
        {public for one in [name, *below] for public in _public(trees[one])}
    )
    for public in module.__all__:
        setattr(module, public, Unavailable(f'{name}.{public}', reason))
    sys.modules[name] = module


def _public(tree: ast.Module) -> List[str]:
    """List the classes, functions and tables that a source file defines."""
    names = []
    for outer in tree.body:
        # MMRazor defines a table in an `if`, twice.
        inner = outer.body if isinstance(outer, ast.If) else [outer]
        for node in inner:
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
                names.append(node.name)
            elif isinstance(node, ast.Assign):
                names += [t.id for t in node.targets if hasattr(t, 'id')]
    return [name for name in names if not name.startswith('_')]


def _missing_in_torch(trees: Iterable[ast.Module]) -> List[str]:
    """List what the files import from PyTorch, but this PyTorch lacks.

    MMRazor swallows this ImportError and fails later, at a table, with a
    misleading message.
    """
    missing: Dict[str, List[str]] = {}
    for node in (node for tree in trees for node in ast.walk(tree)):
        if not isinstance(node, ast.ImportFrom) or node.level:
            continue
        if node.module.split('.')[0] != 'torch':
            continue
        try:
            module = importlib.import_module(node.module)
        except ImportError:
            missing[node.module] = []
            continue
        absent = [a.name for a in node.names if not hasattr(module, a.name)]
        if absent:
            missing.setdefault(node.module, []).extend(absent)
    return [
        f'{", ".join(names)} in {module}' if names else module
        for module, names in missing.items()
    ]


def _repeat_failed_imports() -> None:
    """Repeat the imports from MMRazor that failed earlier in this process.

    After a failed import Python drops the package, but keeps its completed
    submodules and the classes that they have registered. A second import
    finds these and registers nothing twice, but doesn't make them attributes
    of the new package.
    """
    names = sorted(name for name in sys.modules if name.startswith('mmrazor.'))
    for name in names:
        parent, _, child = name.rpartition('.')
        package = importlib.import_module(parent)
        if not hasattr(package, child):
            setattr(package, child, sys.modules[name])


# ------------------------------------------------- MMEngine's checkpoints


def _allow_checkpoints() -> Optional[str]:
    """Let ``torch.load`` read MMEngine's checkpoints, with protection on.

    Returns:
        str: What was done, or None if they can be read already.
    """
    if _reads_checkpoints():
        return None
    torch.serialization.add_safe_globals(
        [
            value
            if (module, name) == (value.__module__, value.__qualname__)
            else (value, f'{module}.{name}')
            for (module, name), value in mmengine_classes().items()
        ]
    )
    return (
        "torch.load is allowed the classes of MMEngine's checkpoints, with "
        'weights_only left on'
    )


def _reads_checkpoints() -> bool:
    """Check whether a small checkpoint like MMEngine's can be read back."""
    file = io.BytesIO()
    log = HistoryBuffer([1.0], [1])
    torch.save({'message_hub': {'loss': log, 'best': np.float64(1)}}, file)
    file.seek(0)
    try:
        load_weights(file, 'cpu')
    except pickle.UnpicklingError:
        return False
    return True


# ------------------------------------------------- MMRazor's recorded maps


def _switch_inplace_off() -> Optional[str]:
    """Make MMRazor's algorithms find in-place activations.

    Returns:
        str: What was done, or None if they find them already.
    """
    # After _stand_in, without which this import fails.
    base = importlib.import_module('mmrazor.models.algorithms.base')
    nested = nn.Sequential(nn.Sequential(nn.ReLU(inplace=True)))
    example = SimpleNamespace(network=nested)
    find = base.BaseAlgorithm.set_module_inplace_false
    # It calls itself recursively by this name.
    example.set_module_inplace_false = partial(find, example)
    find(example, nested, 'self.network')
    if not nested[0][0].inplace:
        return None
    base.BaseAlgorithm.set_module_inplace_false = _set_module_inplace_false
    return (
        "MMRazor's algorithms find the in-place activations that would "
        'overwrite recorded maps'
    )


def _set_module_inplace_false(
    self, architecture: nn.Module, varstr: str = ''
) -> None:
    """Replace ``BaseAlgorithm.set_module_inplace_false``.

    Args:
        architecture (nn.Module): Student or teacher.
        varstr (str): Unused; for MMRazor's signature.
    """
    for module in architecture.modules():
        if hasattr(module, 'inplace'):
            module.inplace = False
