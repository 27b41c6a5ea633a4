"""MobileNetV1, the student of the literature's second ImageNet pair."""

from typing import Sequence, Union

import torch
from mmpretrain.registry import MODELS
from torch import nn

from .stages import FOUR_STAGES, StagedBackbone, make_stage

STEM_CHANNELS = 32
# for each stage, channels and stride of its blocks
ARCH_SETTINGS = (
    ((64, 1), (128, 2), (128, 1)),
    ((256, 2), (256, 1)),
    ((512, 2), (512, 1), (512, 1), (512, 1), (512, 1), (512, 1)),
    ((1024, 2), (1024, 1)),
)


class SeparableBlock(nn.Module):
    """A depthwise 3x3 and a 1x1 convolution, each with BN and ReLU.

    Args:
        in_channels (int): Channels of the input.
        out_channels (int): Channels of the output.
        stride (int): Stride of the depthwise convolution.
        activate (bool): Whether to apply the last ReLU. The last block of a
            stage leaves that to the stage. Defaults to True.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        activate: bool = True,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(
            in_channels,
            in_channels,
            3,
            stride,
            padding=1,
            groups=in_channels,
            bias=False,
        )
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv2 = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU()
        self.activate = activate

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H', W')."""
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.bn2(self.conv2(x))
        return self.relu(x) if self.activate else x


@MODELS.register_module()
class MobileNetV1(StagedBackbone):
    """MobileNetV1 of width 1, as in the KD literature for ImageNet.

    The blocks are divided into four stages whose maps have the sizes of a
    ResNet's: a stage ends where the next one halves the map.

    The maps to distil are named ``layer1.preact`` to ``layer4.preact``
    (before the last ReLU of a stage) and ``layer1`` to ``layer4`` (after it).

    Source: Howard et al., "MobileNets: Efficient Convolutional Neural
    Networks for Mobile Vision Applications", 2017.

    Args:
        in_channels (int): Channels of the input images. Defaults to 3.
        out_indices (Sequence[int]): The stages to return, from 0 to 3.
            Defaults to ``(3, )``.
        init_cfg (dict | list, optional): Initialisation. Defaults to PyTorch's
            own, as in the literature.

    Raises:
        SettingError: If an index doesn't exist.

    Examples:
        >>> import torch
        >>> from mmrazor_lakd.backbones import MobileNetV1
        >>> net = MobileNetV1(out_indices=(0, 1, 2, 3))
        >>> [tuple(m.shape[1:]) for m in net(torch.rand(1, 3, 224, 224))]
        [(128, 56, 56), (256, 28, 28), (512, 14, 14), (1024, 7, 7)]
    """

    map_stages = FOUR_STAGES

    def __init__(
        self,
        in_channels: int = 3,
        out_indices: Sequence[int] = (3,),
        init_cfg: Union[dict, list, tuple, None] = None,
    ) -> None:
        stages = self.map_stages.names
        super().__init__(stages, out_indices, init_cfg)
        channels = STEM_CHANNELS
        self.conv1 = nn.Conv2d(
            in_channels, channels, 3, stride=2, padding=1, bias=False
        )
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU()
        for name, rows in zip(stages, ARCH_SETTINGS):
            blocks = []
            for index, (width, stride) in enumerate(rows):
                activate = index < len(rows) - 1
                blocks.append(
                    SeparableBlock(channels, width, stride, activate)
                )
                channels = width
            self.add_module(name, make_stage(blocks))
        self.feat_dim = channels

    def stem(self, x: torch.Tensor) -> torch.Tensor:
        """Map images (N, C, H, W) to (N, 32, H / 2, W / 2)."""
        return self.relu(self.bn1(self.conv1(x)))
