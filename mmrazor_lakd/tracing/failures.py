"""Find the module at which a forward pass fails, and whether by its width."""

from typing import List, NamedTuple, Optional, Sequence, Tuple

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from .modules import forward_hooks
from .passes import run_model

VALUE_ERRORS = (RuntimeError, ValueError, AssertionError)


class Failure(NamedTuple):
    """The failure of a forward pass.

    Attributes:
        name (str): The innermost module that didn't finish; '' if none
            started.
        kind (str): Its class.
        shape (tuple, optional): Shape of its first input, if a tensor.
        widths (tuple, optional): Channels or features that it expects and
            that it got, if they differ.
        reason (str): The error message.
        of_values (bool): Whether its class is that of errors of shapes and
            values, so that another image may help.
    """

    name: str
    kind: str
    shape: Optional[Tuple[int, ...]]
    widths: Optional[Tuple[int, int]]
    reason: str
    of_values: bool

    def describe(self) -> str:
        """Describe the failure in one clause."""
        if not self.name:
            return f'its own forward: {self.reason}'
        given = f' of an input {self.shape}' if self.shape else ''
        return f"'{self.name}' ({self.kind}){given}: {self.reason}"


def find_failure(
    model: nn.Module, image: torch.Tensor, names: Sequence[str] = ()
) -> Optional[Failure]:
    """Run a model on an image, and find the module that fails.

    Args:
        model (nn.Module): A model of MMEngine (``mode='tensor'``), in eval
            mode.
        image (torch.Tensor): The image, (1, C, H, W).
        names (Sequence[str]): The modules that matter, see
            :func:`~.passes.run_model`.

    Returns:
        Failure: The failure, or None if the model accepts the image.
    """
    running: List[Tuple[str, nn.Module, Tuple]] = []

    def begin(name):
        return lambda module, inputs: running.append((name, module, inputs))

    def end(*_):
        running.pop()

    modules = list(model.named_modules())
    hooks = forward_hooks(
        before=[(module, begin(name)) for name, module in modules],
        after=[(module, end) for _, module in modules],
    )
    try:
        with hooks, torch.no_grad():
            run_model(model, image, names)
        return None
    except Exception as error:  # of the model, which may be the user's
        reason = str(error).strip().split('\n')[0] or type(error).__name__
        of_values = isinstance(error, VALUE_ERRORS)
        if not of_values:
            reason = f'{type(error).__name__}: {reason}'
        name, module, inputs = running[-1] if running else ('', model, ())
        given = inputs[0] if inputs else None
        tensor = isinstance(given, torch.Tensor)
        return Failure(
            name,
            type(module).__name__,
            tuple(given.shape) if tensor else None,
            _unequal_widths(module, given) if tensor else None,
            reason,
            of_values,
        )


def _unequal_widths(
    module: nn.Module, given: torch.Tensor
) -> Optional[Tuple[int, int]]:
    """Return a layer's expected and actual input width, if they differ."""
    if isinstance(module, nn.Linear):
        widths = (module.in_features, given.shape[-1])
    elif isinstance(module, (_ConvNd, _ConvTransposeNd)) and given.dim() > 1:
        widths = (module.in_channels, given.shape[1])
    elif isinstance(module, _BatchNorm) and given.dim() > 1:
        widths = (module.num_features, given.shape[1])
    else:
        return None
    return widths if widths[0] != widths[1] else None
