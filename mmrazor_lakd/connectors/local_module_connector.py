"""The connector of one local module."""

from typing import Dict, List, Optional, Tuple, Union

import torch
import torch.nn.functional as F
from mmrazor.models.architectures.connectors.base_connector import (
    BaseConnector,
)
from mmrazor.registry import MODELS
from torch import nn

from ..errors import check_size
from .batch_norm import BatchNorm2d


def match_size(feature: torch.Tensor, size: Tuple[int, int]) -> torch.Tensor:
    """Bring a map (N, C, H, W) to ``size`` = (height, width).

    A side that is too long is average-pooled, one that is too short is
    interpolated; a map that fits is returned unchanged.
    """
    height, width = feature.shape[-2:]
    smaller = (min(height, size[0]), min(width, size[1]))
    if smaller != (height, width):
        feature = F.adaptive_avg_pool2d(feature, smaller)
    if smaller != tuple(size):
        feature = F.interpolate(
            feature, size=tuple(size), mode='bilinear', align_corners=False
        )
    return feature


@MODELS.register_module()
class LocalModuleConnector(BaseConnector):
    """Aligns the width of a student module's map with the teacher's.

    It is the identity where the widths agree, since a learned layer that isn't
    needed lets the student's own map drift away from the teacher's (and costs
    accuracy). Otherwise it is a 1x1 convolution with batch normalisation.
    :class:`~mmrazor_lakd.distillers.LAKDDistiller` finds the widths itself,
    and pools the larger of the two maps afterwards. A batch with one value a
    channel is normalised by the running statistics, see
    :class:`~mmrazor_lakd.connectors.batch_norm.BatchNorm2d`.

    Source: ours; the paper doesn't say how unequal maps are compared.

    Args:
        in_channels (int): Channels of the student's map.
        out_channels (int): Channels of the teacher's map.
        init_cfg (dict | list, optional): Initialisation. Defaults to
            PyTorch's.

    Raises:
        SettingError: If a width isn't an integer of at least 1.

    Examples:
        >>> import torch
        >>> from mmrazor_lakd.connectors import LocalModuleConnector
        >>> connector = LocalModuleConnector(in_channels=16, out_channels=64)
        >>> connector(torch.rand(2, 16, 8, 8)).shape
        torch.Size([2, 64, 8, 8])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        init_cfg: Optional[Union[Dict, List]] = None,
    ) -> None:
        super().__init__(init_cfg)
        for name, width in (
            ('in_channels', in_channels),
            ('out_channels', out_channels),
        ):
            check_size('LocalModuleConnector', name, width)
        self.project = nn.Identity()
        if in_channels != out_channels:
            self.project = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, bias=False),
                BatchNorm2d(out_channels),
            )

    def forward_train(self, feature: torch.Tensor) -> torch.Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H, W)."""
        return self.project(feature)
