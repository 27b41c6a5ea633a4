"""Activation checkpointing that works with cuts.

PyTorch has two kinds. The older one (``use_reentrant=True``), used by
mmpretrain's ``with_cp`` and MMEngine's ``activation_checkpointing``, works
only in a backward pass of the whole model: it hides the parameters from
``torch.autograd.grad``, and what is recorded inside it has no graph.
"""

import inspect
import random
from contextlib import contextmanager
from dis import get_instructions
from functools import partial
from typing import (
    Any,
    Callable,
    Dict,
    Iterator,
    List,
    Optional,
    Sequence,
    Tuple,
)

import numpy as np
import torch
from mmengine.runner import activation_checkpointing
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from ..errors import SettingError
from ..tracing.blocks import find_blocks
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
            checkpoint_module(module)


def checkpoint_blocks(
    model: nn.Module, input_size: Sequence[int], boundaries: Dict[str, bool]
) -> None:
    """Recompute the activations of each block in the backward pass.

    Not of one whose backward pass comes at once, which needs all that it
    would save. Nor of a single layer, which saves little but its input.

    Args:
        model (nn.Module): The student.
        input_size (Sequence[int]): Height and width of the images.
        boundaries (dict[str, bool]): Modules followed by a boundary, and
            whether their backward pass comes at once.

    Raises:
        SettingError: If no block would be recomputed, one has a forward of
            its own, or a boundary lies in one.
    """
    modules = dict(model.named_modules())
    blocks = [
        block
        for block in find_blocks(model, 'student', input_size)
        if list(modules[block.name].children())
    ]
    if not blocks:
        raise SettingError(
            f"recompute has 'blocks', but {type(model).__name__} has none: "
            f'items of an nn.Sequential or nn.ModuleList in the backbone, of '
            f'several layers each; write with_cp=True, if its layers take '
            f'that.'
        )
    done = set(renewed(model))
    # The last block within each boundary's module, or that module itself.
    ends = {
        name: block.name
        for block in blocks
        for name, at_once in boundaries.items()
        if at_once and f'{block.name}.'.startswith(f'{name}.')
    }
    chosen = [b.name for b in blocks if b.name not in ends.values()]
    for name in chosen:
        # Nor around one that is recomputed already.
        if any(f'{known}.'.startswith(f'{name}.') for known in done):
            continue
        if 'forward' in vars(modules[name]):
            raise SettingError(
                f"recompute has 'blocks', but '{name}' has a forward of its "
                f'own (as by efficient_conv_bn_eval), which would be lost; '
                f'leave one of the two out.'
            )
        checkpoint_module(modules[name])
    # A frozen block keeps something behind one that isn't.
    backbone = getattr(model, 'backbone', model)
    trains = any(p.requires_grad for p in backbone.parameters())
    if not (chosen and trains):
        raise SettingError(
            f"recompute has 'blocks', which would have no effect: the "
            f'backbone of {type(model).__name__} is frozen, or each block is '
            f'cut off from the next one, so that nothing is kept; leave it '
            f'out.'
        )
    check_inside(model, list(boundaries))


def checkpoint_module(module: nn.Module) -> None:
    """Recompute a module's activations in the backward pass."""
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
    """Run a module's own forward, saving only its inputs for backward."""
    forward: Callable = partial(type(module).forward, module)
    if torch.is_grad_enabled():
        forward = partial(
            checkpoint, RunTwice(module, forward), use_reentrant=False
        )
    return forward(*args, **kwargs)


class RunTwice:
    """A forward pass whose repetition gives the same, and changes nothing.

    The repetition begins with the buffers that the pass changes (running
    statistics, the vectors of a spectral norm) and with the random states of
    Python and NumPy as they were, and leaves both as they are. PyTorch does
    so for its own random state.

    Args:
        module (nn.Module): What it runs.
        forward (Callable): How.
    """

    def __init__(self, module: nn.Module, forward: Callable) -> None:
        self._module = module
        self._forward = forward
        self._before: Optional[_State] = None

    def __call__(self, *args, **kwargs) -> Any:
        """Run it; from the second time on without a trace.

        Raises:
            SettingError: If it overwrites its input, with which it would
                have to begin again.
        """
        if self._before is not None:
            with self._before.restored():
                return self._forward(*args, **kwargs)
        inputs = [
            (tensor, tensor._version)
            for tensor in tensors_in([args, kwargs])
            if not tensor.is_inference()
        ]
        self._before = _State(self._module)
        output = self._forward(*args, **kwargs)
        self._before.keep_what_changed()
        # Without gradients it is never run again.
        if any(tensor.requires_grad for tensor in tensors_in(output)) and any(
            tensor._version != version for tensor, version in inputs
        ):
            raise SettingError(
                f"The activations of a {type(self._module).__name__} can't "
                f'be computed again, since it overwrites its input (as by '
                f'F.relu(x, inplace=True), or by x += ...); leave recompute '
                f'(or with_cp, activation_checkpointing) out, or mend it.'
            )
        return output


class _State:
    """What a forward pass may change, beside weights, as it was before.

    Args:
        module (nn.Module): What is run.
    """

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        # What batch normalisation gives in train mode doesn't depend on its
        # own: there it is enough that a repetition updates copies.
        self._start = {
            (part, name): (buffer, buffer._version, buffer.clone())
            for part, name, buffer in self._buffers()
            if not isinstance(part, _BatchNorm)
        }
        self._random: Any = random.getstate()
        self._numpy: Any = np.random.get_state()

    def _buffers(self) -> List[Tuple[nn.Module, str, torch.Tensor]]:
        """List the buffers of what is in train mode, with their names."""
        return [
            (part, name, buffer)
            for part in self._module.modules()
            if part.training
            for name, buffer in part._buffers.items()
            if buffer is not None
        ]

    def keep_what_changed(self) -> None:
        """Release the rest, after the pass: buffers may be large."""
        self._start = {
            (part, name): found
            for (part, name), found in self._start.items()
            if part._buffers.get(name) is not found[0]
            or found[0]._version != found[1]
        }
        if self._random == random.getstate():
            self._random = None
        now = np.random.get_state()
        if all(map(np.array_equal, self._numpy, now)):
            self._numpy = None

    @contextmanager
    def restored(self) -> Iterator[None]:
        """Restore it for a while, in copies."""
        now = self._buffers()
        states = random.getstate(), np.random.get_state()
        # One copy of each, which modules may share.
        copies: Dict[int, torch.Tensor] = {}
        for part, name, buffer in now:
            own, _, start = self._start.get((part, name), (buffer, 0, buffer))
            if id(own) not in copies:
                copies[id(own)] = start.clone()
            part._buffers[name] = copies[id(own)]
        if self._random is not None:
            random.setstate(self._random)
        if self._numpy is not None:
            np.random.set_state(self._numpy)
        try:
            yield
        finally:
            for part, name, buffer in now:
                part._buffers[name] = buffer
            random.setstate(states[0])
            np.random.set_state(states[1])


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
