"""Parameters and multiply-adds of a network."""

from typing import NamedTuple

import torch
from mmengine.analysis import FlopAnalyzer
from torch import nn

from .modules import eval_mode


class Complexity(NamedTuple):
    """How large a network is.

    Attributes:
        parameters (int): All of them, with the head.
        multiply_adds (int): Of the convolutions and the linear layers, for
            one image. The literature calls them FLOPs.
    """

    parameters: int
    multiply_adds: int


def complexity(model: nn.Module, image_size: int) -> Complexity:
    """Count a network's parameters and multiply-adds with MMEngine.

    Args:
        model (nn.Module): It maps images (N, 3, H, W) to logits.
        image_size (int): Height and width of the image.

    Examples:
        >>> from mmrazor_lakd.backbones import build_network
        >>> complexity(build_network('resnet20'), 32)
        Complexity(parameters=278324, multiply_adds=40818944)
    """
    device = next(model.parameters()).device
    image = torch.zeros(1, 3, image_size, image_size, device=device)
    with eval_mode(model):
        counter = FlopAnalyzer(model, (image,))
        # It warns of what it doesn't count; none of that multiplies.
        counter.unsupported_ops_warnings(False)
        counted = counter.by_operator()
    return Complexity(
        parameters=sum(param.numel() for param in model.parameters()),
        multiply_adds=int(counted['conv'] + counted['linear']),
    )
