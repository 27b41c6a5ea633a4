"""Activation checkpointing of the kind that works behind a cut.

PyTorch has two kinds. The older one (``use_reentrant=True``), which
mmpretrain's ``with_cp`` and MMEngine's ``activation_checkpointing`` use, works
in a backward pass of the whole model only: it hides the parameters from
``torch.autograd.grad``, and what is recorded inside of it has no graph.
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
    """Checkpoint by the newer kind what a model checkpoints by the older one.

    That is each block with ``with_cp=True`` whose class calls a
    ``checkpoint`` in its forward, and each module that MMEngine's
    ``activation_checkpointing`` has wrapped. Its forward is wrapped as a
    whole, in this one model: ``with_cp`` is False from then on. Weights and
    their names stay, and so does the model's forward pass without gradients.

    Args:
        model (nn.Module): The student.
    """
    for module in model.modules():
        wrapped = _is_wrapped_by_mmengine(module)
        if wrapped or _checkpoints_itself(module):
            if hasattr(module, 'with_cp'):
                module.with_cp = False
            # A partial of a function and not a closure: it is copied and
            # pickled with the module.
            module.forward = partial(_checkpointed, module)


def check_inside(model: nn.Module, names: Sequence[str]) -> None:
    """Refuse boundaries inside of what is checkpointed.

    The forward pass is run there once more, in the midst of the backward
    pass.

    Args:
        model (nn.Module): The student, see :func:`renew_checkpoints`.
        names (Sequence[str]): The modules behind which boundaries lie.

    Raises:
        SettingError: If there is one.
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
    """Name the modules that :func:`renew_checkpoints` has wrapped."""
    return [
        name
        for name, module in model.named_modules()
        if getattr(module.forward, 'func', None) is _checkpointed
    ]


def _checkpointed(module: nn.Module, *args, **kwargs):
    """Run a module's own forward, and save its inputs alone for backward.

    As in mmpretrain, where an input has a graph; behind a cut none has.
    """
    forward: Callable = partial(type(module).forward, module)
    if torch.is_grad_enabled() and any(
        tensor.requires_grad for tensor in tensors_in([args, kwargs])
    ):
        forward = partial(checkpoint, forward, use_reentrant=False)
    return forward(*args, **kwargs)


def _checkpoints_itself(module: nn.Module) -> bool:
    """Tell whether a module's forward heeds ``with_cp``, as a block's does."""
    if not getattr(module, 'with_cp', False):
        return False
    # Most backbones only pass the option on to their blocks. A few call their
    # blocks in a loop, a checkpoint each: as a whole they would save nothing.
    code = getattr(inspect.unwrap(type(module).forward), '__code__', None)
    return (
        code is not None
        and {'with_cp', 'checkpoint'} <= set(code.co_names)
        and all(step.opname != 'FOR_ITER' for step in get_instructions(code))
    )


def _is_wrapped_by_mmengine(module: nn.Module) -> bool:
    """Tell what ``turn_on_activation_checkpointing`` has made of a module."""
    scope = getattr(module.forward, '__globals__', None)
    return scope is vars(activation_checkpointing)
