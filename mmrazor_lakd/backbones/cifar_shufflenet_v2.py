"""The ShuffleNetV2 that the distillation literature trains on CIFAR."""

from typing import Sequence, Union

import torch
from mmpretrain.models.utils import channel_shuffle
from mmpretrain.registry import MODELS
from torch import nn

from .stages import StagedBackbone, make_stage

STEM_CHANNELS = 24
# channels and blocks of each stage
ARCH_SETTINGS = ((116, 4), (232, 8), (464, 4))
LAST_CHANNELS = 1024


class ChannelShuffle(nn.Module):
    """Interleaves the two halves of the channels."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, C, H, W) to the same shape."""
        return channel_shuffle(x, 2)


class SplitBlock(nn.Module):
    """Three convolutions on half of the channels, and a shuffle.

    Args:
        channels (int): Channels of input and output.
        activate (bool): Whether to apply the last ReLU and the shuffle. The
            last block of a stage leaves them to the stage. Defaults to True.
    """

    def __init__(self, channels: int, activate: bool = True) -> None:
        super().__init__()
        half = channels // 2
        self.conv1 = nn.Conv2d(half, half, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(half)
        self.conv2 = nn.Conv2d(
            half, half, 3, padding=1, groups=half, bias=False
        )
        self.bn2 = nn.BatchNorm2d(half)
        self.conv3 = nn.Conv2d(half, half, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(half)
        self.relu = nn.ReLU()
        self.activate = activate

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, C, H, W) to the same shape."""
        left, right = x.chunk(2, dim=1)
        right = self.relu(self.bn1(self.conv1(right)))
        right = self.bn2(self.conv2(right))
        right = self.bn3(self.conv3(right))
        if not self.activate:
            return torch.cat([left, right], 1)
        return channel_shuffle(torch.cat([left, self.relu(right)], 1), 2)


class DownBlock(nn.Module):
    """Two branches of stride 2, and a shuffle.

    Args:
        in_channels (int): Channels of the input.
        out_channels (int): Channels of the output.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        half = out_channels // 2
        self.conv1 = nn.Conv2d(
            in_channels,
            in_channels,
            3,
            stride=2,
            padding=1,
            groups=in_channels,
            bias=False,
        )
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv2 = nn.Conv2d(in_channels, half, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(half)
        self.conv3 = nn.Conv2d(in_channels, half, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(half)
        self.conv4 = nn.Conv2d(
            half, half, 3, stride=2, padding=1, groups=half, bias=False
        )
        self.bn4 = nn.BatchNorm2d(half)
        self.conv5 = nn.Conv2d(half, half, 1, bias=False)
        self.bn5 = nn.BatchNorm2d(half)
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H / 2, W / 2)."""
        left = self.bn1(self.conv1(x))
        left = self.relu(self.bn2(self.conv2(left)))
        right = self.relu(self.bn3(self.conv3(x)))
        right = self.bn4(self.conv4(right))
        right = self.relu(self.bn5(self.conv5(right)))
        return channel_shuffle(torch.cat([left, right], 1), 2)


@MODELS.register_module()
class CIFARShuffleNetV2(StagedBackbone):
    """ShuffleNetV2 of width 1 for 32x32 images, as in the KD literature.

    It differs from mmpretrain's in its stem, a 1x1 convolution without
    pooling.

    The maps to distil are named ``layer1.preact`` to ``layer3.preact``
    (before the last ReLU of a stage) and ``layer1`` to ``layer3`` (after it
    and the shuffle). The ReLU after ``preact`` covers all channels; the half
    that has already had a ReLU isn't changed by it. ``conv2``, a 1x1
    convolution to 1024 channels, follows.

    Source: Ma et al., "ShuffleNet V2: Practical Guidelines for Efficient CNN
    Architecture Design", ECCV 2018; RepDistiller's variant.

    Args:
        in_channels (int): Channels of the input images. Defaults to 3.
        out_indices (Sequence[int]): What to return: 0 to 2 are the stages, 3
            is ``conv2``. Defaults to ``(3, )``.
        init_cfg (dict | list, optional): Initialisation. Defaults to PyTorch's
            own, as in the literature.

    Raises:
        SettingError: If an index doesn't exist.

    Examples:
        >>> import torch
        >>> from mmrazor_lakd.backbones import CIFARShuffleNetV2
        >>> net = CIFARShuffleNetV2(out_indices=(0, 1, 2, 3))
        >>> [tuple(m.shape[1:]) for m in net(torch.rand(1, 3, 32, 32))]
        [(116, 16, 16), (232, 8, 8), (464, 4, 4), (1024, 4, 4)]
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_indices: Sequence[int] = (3,),
        init_cfg: Union[dict, list, tuple, None] = None,
    ) -> None:
        stages = self.map_stages.names
        super().__init__([*stages, 'last'], out_indices, init_cfg)
        channels = STEM_CHANNELS
        self.conv1 = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU()
        for name, (width, count) in zip(stages, ARCH_SETTINGS):
            blocks = [DownBlock(channels, width)]
            blocks += [SplitBlock(width) for _ in range(count - 2)]
            blocks.append(SplitBlock(width, activate=False))
            stage = make_stage(blocks)
            stage.add_module('shuffle', ChannelShuffle())
            self.add_module(name, stage)
            channels = width
        self.feat_dim = LAST_CHANNELS
        self.conv2 = nn.Conv2d(channels, self.feat_dim, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(self.feat_dim)

    def stem(self, x: torch.Tensor) -> torch.Tensor:
        """Map images (N, C, H, W) to (N, 24, H, W)."""
        return self.relu(self.bn1(self.conv1(x)))

    def last(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, 464, H, W) to (N, 1024, H, W)."""
        return self.relu(self.bn2(self.conv2(x)))
