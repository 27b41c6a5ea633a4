"""Parameters and multiply-adds of a network."""

from typing import NamedTuple

import torch
from mmengine.analysis import FlopAnalyzer
from torch import nn

from .modules import eval_mode


class Complexity(NamedTuple):
    """The size of a network.

    Attributes:
        parameters (int): Number of parameters, including the head's.
        multiply_adds (int): Multiply-adds of the convolutions and linear
            layers for one image. The literature calls them FLOPs.
    """

    parameters: int
    multiply_adds: int


def complexity(model: nn.Module, image_size: int) -> Complexity:
    """Count a network's parameters and multiply-adds with MMEngine.

    Args:
        model (nn.Module): A model that maps images (N, 3, H, W) to logits.
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
        # It warns about operators it doesn't count; none of them multiplies.
        counter.unsupported_ops_warnings(False)
        counted = counter.by_operator()
    return Complexity(
        parameters=sum(param.numel() for param in model.parameters()),
        multiply_adds=int(counted['conv'] + counted['linear']),
    )
