"""FCFD's bridge from one network's stages to the other's."""

from typing import Dict, List, Optional, Sequence, Union

import torch
from mmrazor.models.architectures.connectors.base_connector import (
    BaseConnector,
)
from mmrazor.registry import MODELS
from torch import nn

from ..errors import SettingError, check_choice
from .batch_norm import BatchNorm2d
from .hint_connector import conv_by_two
from .shapes import check_shape


@MODELS.register_module()
class BridgeConnector(BaseConnector):
    """Turns one network's map into one that the other's stages can read.

    A convolution and batch normalisation, and a leaky ReLU if the other's map
    is one after a ReLU. The convolution is 3x3 for maps of equal size, 3x3
    with stride 2 or transposed 4x4 with stride 2 for twice or half the size.

    Source: Liu et al., "Function-Consistent Feature Distillation", ICLR 2023,
    and the authors' code.

    Args:
        in_shape (Sequence[int]): Shape (C, H, W) of a network's map.
        out_shape (Sequence[int]): Shape (C', H', W') of the other's.
        activate (bool): Whether the other's is one after a ReLU. Defaults to
            True.
        init_cfg (dict | list, optional): Initialisation. Defaults to the
            authors': He's for a convolution, PyTorch's for a transposed one.

    Raises:
        SettingError: If a shape is that of no map, or the sizes differ by
            other factors, or ``activate`` is no bool.

    Examples:
        >>> import torch
        >>> from mmrazor_lakd.connectors import BridgeConnector
        >>> connector = BridgeConnector((16, 16, 16), (64, 8, 8))
        >>> connector(torch.rand(2, 16, 16, 16)).shape
        torch.Size([2, 64, 8, 8])
    """

    def __init__(
        self,
        in_shape: Sequence[int],
        out_shape: Sequence[int],
        activate: bool = True,
        init_cfg: Optional[Union[Dict, List]] = None,
    ) -> None:
        super().__init__(init_cfg)
        for name, shape in (('in_shape', in_shape), ('out_shape', out_shape)):
            check_shape('BridgeConnector', name, shape)
        check_choice('BridgeConnector', 'activate', activate, (True, False))
        (width, *size), (other, *wanted) = in_shape, out_shape
        conv = conv_by_two(in_shape, out_shape)
        if size == wanted:
            conv = nn.Conv2d(width, other, 3, padding=1, bias=False)
        if conv is None:
            raise SettingError(
                f'BridgeConnector brings a map of {size[0]}x{size[1]} to the '
                f'same size, half or twice that, not to '
                f'{wanted[0]}x{wanted[1]}; choose networks whose stages have '
                f'such maps.'
            )
        if isinstance(conv, nn.Conv2d):
            nn.init.kaiming_normal_(
                conv.weight, mode='fan_out', nonlinearity='relu'
            )
        layers = [conv, BatchNorm2d(other)]
        if activate:
            layers.append(nn.LeakyReLU(0.1))
        self.layers = nn.Sequential(*layers)

    def forward_train(self, feature: torch.Tensor) -> torch.Tensor:
        """Map (N, C, H, W) to (N, C', H', W')."""
        return self.layers(feature)
