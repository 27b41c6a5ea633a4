"""The ShuffleNetV1 that the distillation literature trains on CIFAR."""

from typing import Sequence, Union

import torch
from mmpretrain.models.utils import channel_shuffle
from mmpretrain.registry import MODELS
from torch import nn

from .stages import StagedBackbone, make_stage

STEM_CHANNELS = 24
# channels and blocks of each stage
ARCH_SETTINGS = ((240, 4), (480, 8), (960, 4))


class ShuffleUnit(nn.Module):
    """Grouped 1x1, shuffle, depthwise 3x3 and grouped 1x1 convolution.

    With stride 2 the average-pooled input is concatenated, otherwise the input
    is added.

    Args:
        in_channels (int): Channels of the input.
        out_channels (int): Channels of the output.
        stride (int): 1 or 2.
        groups (int): Groups of the 1x1 convolutions; the one after the stem
            has one group.
        activate (bool): Whether the result goes through a ReLU. The last
            block of a stage leaves that to the stage. Defaults to True.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        groups: int,
        activate: bool = True,
    ) -> None:
        super().__init__()
        if stride == 2:
            out_channels -= in_channels
        middle = out_channels // 4
        self.groups = 1 if in_channels == STEM_CHANNELS else groups
        self.conv1 = nn.Conv2d(
            in_channels, middle, 1, groups=self.groups, bias=False
        )
        self.bn1 = nn.BatchNorm2d(middle)
        self.conv2 = nn.Conv2d(
            middle, middle, 3, stride, padding=1, groups=middle, bias=False
        )
        self.bn2 = nn.BatchNorm2d(middle)
        self.conv3 = nn.Conv2d(
            middle, out_channels, 1, groups=groups, bias=False
        )
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU()
        self.pool = None
        if stride == 2:
            self.pool = nn.AvgPool2d(3, stride=2, padding=1)
        self.activate = activate

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H', W')."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = channel_shuffle(out, self.groups)
        # The literature's variant has a ReLU here, unlike the paper's.
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        if self.pool is None:
            out = out + x
        else:
            out = torch.cat([out, self.pool(x)], 1)
        return self.relu(out) if self.activate else out


@MODELS.register_module()
class CIFARShuffleNetV1(StagedBackbone):
    """ShuffleNetV1 with 3 groups for 32x32 images, as in the KD literature.

    It differs from mmpretrain's in its stem, a 1x1 convolution without
    pooling.

    The maps to distil are named ``layer1.preact`` to ``layer3.preact``
    (before the last ReLU of a stage) and ``layer1`` to ``layer3`` (after it).

    Source: Zhang et al., "ShuffleNet: An Extremely Efficient Convolutional
    Neural Network for Mobile Devices", CVPR 2018; RepDistiller's variant.

    Args:
        groups (int): Groups of the 1x1 convolutions. Defaults to 3.
        in_channels (int): Channels of the input images. Defaults to 3.
        out_indices (Sequence[int]): The stages to return, from 0 to 2.
            Defaults to ``(2, )``.
        init_cfg (dict | list, optional): Initialisation. Defaults to PyTorch's
            own, as in the literature.

    Raises:
        SettingError: If an index doesn't exist.

    Examples:
        >>> import torch
        >>> from mmrazor_lakd.backbones import CIFARShuffleNetV1
        >>> net = CIFARShuffleNetV1(out_indices=(0, 1, 2))
        >>> [tuple(m.shape) for m in net(torch.rand(1, 3, 32, 32))]
        [(1, 240, 16, 16), (1, 480, 8, 8), (1, 960, 4, 4)]
    """

    def __init__(
        self,
        groups: int = 3,
        in_channels: int = 3,
        out_indices: Sequence[int] = (2,),
        init_cfg: Union[dict, list, tuple, None] = None,
    ) -> None:
        super().__init__(('layer1', 'layer2', 'layer3'), out_indices, init_cfg)
        channels = STEM_CHANNELS
        self.conv1 = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU()
        for name, (width, count) in zip(self.stages, ARCH_SETTINGS):
            blocks = []
            for index in range(count):
                stride = 2 if index == 0 else 1
                activate = index < count - 1
                blocks.append(
                    ShuffleUnit(channels, width, stride, groups, activate)
                )
                channels = width
            self.add_module(name, make_stage(blocks))
        self.feat_dim = channels

    def stem(self, x: torch.Tensor) -> torch.Tensor:
        """Map images (N, C, H, W) to (N, 24, H, W)."""
        return self.relu(self.bn1(self.conv1(x)))
