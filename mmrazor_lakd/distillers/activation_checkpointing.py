"""Activation checkpointing that works with cuts.

PyTorch has two kinds. The older one (``use_reentrant=True``), used by
mmpretrain's ``with_cp`` and MMEngine's ``activation_checkpointing``, works
only in a backward pass of the whole model: it hides the parameters from
``torch.autograd.grad``, and what is recorded inside it has no graph.
"""

import inspect
from dis import get_instructions
from functools import partial
from typing import Callable, List, Sequence

import torch
from mmengine.runner import activation_checkpointing
from torch import nn
from torch.utils.checkpoint import checkpoint

from ..errors import SettingError
from ..tracing.records import tensors_in


def renew_checkpoints(model: nn.Module) -> None:
    """Replace a model's older activation checkpointing with the newer kind.

    This concerns each block with ``with_cp=True`` whose class calls
    ``checkpoint`` in its forward, and each module wrapped by MMEngine's
    ``activation_checkpointing``. Its forward is wrapped as a whole, in this
    model only, and ``with_cp`` is set to False. Weights, their names and the
    forward pass without gradients stay the same.

    Args:
        model (nn.Module): The student.
    """
    for module in model.modules():
        wrapped = _is_wrapped_by_mmengine(module)
        if wrapped or _checkpoints_itself(module):
            if hasattr(module, 'with_cp'):
                module.with_cp = False
            # A partial of a function, not a closure, so that it can be copied
            # and pickled with the module.
            module.forward = partial(_checkpointed, module)


def check_inside(model: nn.Module, names: Sequence[str]) -> None:
    """Raise if a boundary lies inside a checkpointed module.

    Its forward pass is run again during the backward pass.

    Args:
        model (nn.Module): The student, see :func:`renew_checkpoints`.
        names (Sequence[str]): The modules followed by a boundary.

    Raises:
        SettingError: If there is such a boundary.
    """
    for outer in renewed(model):
        for index, name in enumerate(names):
            if name.startswith(f'{outer}.'):
                raise SettingError(
                    f"local_modules[{index}]: the student's '{name}' lies in "
                    f"'{outer}', whose activations are checkpointed, so that "
                    f'it runs twice in a step; name that module or one around '
                    f'it, or write with_cp=False.'
                )


def renewed(model: nn.Module) -> List[str]:
    """Return the names of the modules wrapped by :func:`renew_checkpoints`."""
    return [
        name
        for name, module in model.named_modules()
        if getattr(module.forward, 'func', None) is _checkpointed
    ]


def _checkpointed(module: nn.Module, *args, **kwargs):
    """Run a module's own forward, saving only its inputs for backward.

    As in mmpretrain, only if an input has a graph; after a cut none has.
    """
    forward: Callable = partial(type(module).forward, module)
    if torch.is_grad_enabled() and any(
        tensor.requires_grad for tensor in tensors_in([args, kwargs])
    ):
        forward = partial(checkpoint, forward, use_reentrant=False)
    return forward(*args, **kwargs)


def _checkpoints_itself(module: nn.Module) -> bool:
    """Check whether a module's forward uses ``with_cp``, as a block's does."""
    if not getattr(module, 'with_cp', False):
        return False
    # Most backbones only pass the option on to their blocks. A few checkpoint
    # each block in a loop: checkpointed as a whole they would save nothing.
    code = getattr(inspect.unwrap(type(module).forward), '__code__', None)
    return (
        code is not None
        and {'with_cp', 'checkpoint'} <= set(code.co_names)
        and all(step.opname != 'FOR_ITER' for step in get_instructions(code))
    )


def _is_wrapped_by_mmengine(module: nn.Module) -> bool:
    """Check whether MMEngine's activation checkpointing wraps a module."""
    scope = getattr(module.forward, '__globals__', None)
    return scope is vars(activation_checkpointing)
