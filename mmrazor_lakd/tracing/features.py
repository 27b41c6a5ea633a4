"""Process a network's feature maps during its forward pass."""

from typing import Any, Callable, Dict, Optional, Tuple

import torch
from torch import nn

from ..errors import SettingError
from .modules import forward_hooks
from .passes import dense_package, run_model
from .token_maps import as_map


@torch.no_grad()
def read_maps(
    model: nn.Module,
    images: torch.Tensor,
    wanted: Dict[str, Callable[[torch.Tensor], Any]],
) -> Tuple[Optional[torch.Tensor], Dict[str, Any]]:
    """Run a model, and apply functions to some of its feature maps.

    A function is called as soon as its module outputs the map: before a later
    in-place activation can change it, and without keeping it. Tokens are
    given to it as the map (N, C, H, W) that they form.

    Args:
        model (nn.Module): A model of MMEngine, in eval mode.
        images (torch.Tensor): Preprocessed images, (N, C, H, W).
        wanted (dict): The function to apply to each named module's map.

    Returns:
        tuple: The logits (N, K), None for a segmentor or detector; and for
        each name its function's result.

    Raises:
        SettingError: If another model outputs anything but logits (N, K).
    """
    found: Dict[str, Any] = {}

    def hook(name):
        def read(module, inputs, output):
            feature = as_map(output, images.shape[-2:])
            found[name] = wanted[name](output if feature is None else feature)

        return read

    modules = dict(model.named_modules())
    with forward_hooks((modules[name], hook(name)) for name in wanted):
        if dense_package(model):
            run_model(model, images, list(wanted))
            return None, found
        logits = model(images, mode='tensor')
    if not isinstance(logits, torch.Tensor) or logits.dim() != 2:
        kind = getattr(logits, 'shape', type(logits).__name__)
        raise SettingError(
            f'{type(model).__name__} gives {kind} in place of logits of '
            f'shape (N, classes); give a classifier with one head.'
        )
    return logits, found
