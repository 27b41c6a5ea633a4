"""The ResNets that the distillation literature trains on CIFAR."""

from typing import Optional, Sequence, Union

import torch
from mmpretrain.registry import MODELS
from torch import nn

from ..errors import check_choice
from .stages import HE_INIT, StagedBackbone, make_stage

# depth: number of layers; channels of the stem and of the three stages
ARCH_SETTINGS = {
    8: (8, (16, 16, 32, 64)),
    14: (14, (16, 16, 32, 64)),
    20: (20, (16, 16, 32, 64)),
    32: (32, (16, 16, 32, 64)),
    44: (44, (16, 16, 32, 64)),
    56: (56, (16, 16, 32, 64)),
    110: (110, (16, 16, 32, 64)),
    '8x4': (8, (32, 64, 128, 256)),
    '32x4': (32, (32, 64, 128, 256)),
}


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut.

    Args:
        in_channels (int): Channels of the input.
        out_channels (int): Channels of the output.
        stride (int): Stride of the first convolution. Defaults to 1.
        activate (bool): Whether the sum goes through a ReLU. The last block of
            a stage leaves that to the stage, which exposes the sum as
            ``preact``. Defaults to True.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        activate: bool = True,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(
            in_channels, out_channels, 3, stride, padding=1, bias=False
        )
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(
            out_channels, out_channels, 3, padding=1, bias=False
        )
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU()
        self.downsample: Optional[nn.Module] = None
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )
        self.activate = activate

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H', W')."""
        shortcut = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out)) + shortcut
        return self.relu(out) if self.activate else out


@MODELS.register_module()
class CIFARResNet(StagedBackbone):
    """ResNet for 32x32 images, depth 6n + 2, as in the KD literature.

    Three stages of n basic blocks after a 3x3 stem, with 1x1 convolutions in
    the shortcuts (the variant of RepDistiller and mdistiller, whose published
    teachers have the same parameter names). It differs from mmpretrain's
    ``ResNet_CIFAR``, which is the ImageNet ResNet with a CIFAR stem and has 11
    million parameters at depth 18; this one has 0.3 million at depth 20.

    The maps to distil are named ``layer1.preact`` to ``layer3.preact``
    (before the last ReLU of a stage) and ``layer1`` to ``layer3`` (after it).

    Source: He et al., "Deep Residual Learning for Image Recognition",
    section 4.2.

    Args:
        depth (int | str): 8, 14, 20, 32, 44, 56 or 110 with 16-16-32-64
            channels, ``'8x4'`` or ``'32x4'`` with 32-64-128-256.
        in_channels (int): Channels of the input images. Defaults to 3.
        out_indices (Sequence[int]): The stages to return, from 0 to 2.
            Defaults to ``(2, )``.
        init_cfg (dict | list): Initialisation. Defaults to He's for
            convolutions.

    Raises:
        SettingError: If the depth or an index doesn't exist.

    Examples:
        >>> import torch
        >>> from mmrazor_lakd.backbones import CIFARResNet
        >>> net = CIFARResNet(depth=20, out_indices=(0, 1, 2))
        >>> [tuple(m.shape) for m in net(torch.rand(1, 3, 32, 32))]
        [(1, 16, 32, 32), (1, 32, 16, 16), (1, 64, 8, 8)]
    """

    def __init__(
        self,
        depth: Union[int, str],
        in_channels: int = 3,
        out_indices: Sequence[int] = (2,),
        init_cfg: Union[dict, list, tuple, None] = HE_INIT,
    ) -> None:
        super().__init__(('layer1', 'layer2', 'layer3'), out_indices, init_cfg)
        check_choice('CIFARResNet', 'depth', depth, tuple(ARCH_SETTINGS))
        layers, (stem, *widths) = ARCH_SETTINGS[depth]
        self.depth = depth
        self.feat_dim = widths[-1]
        self.conv1 = nn.Conv2d(in_channels, stem, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.relu = nn.ReLU()
        num_blocks = (layers - 2) // 6
        channels = stem
        for name, width in zip(self.stages, widths):
            stride = 1 if name == 'layer1' else 2
            blocks = []
            for index in range(num_blocks):
                last = index == num_blocks - 1
                blocks.append(
                    BasicBlock(channels, width, stride, activate=not last)
                )
                channels, stride = width, 1
            self.add_module(name, make_stage(blocks))

    def stem(self, x: torch.Tensor) -> torch.Tensor:
        """Map images (N, C, H, W) to (N, 16 or 32, H, W)."""
        return self.relu(self.bn1(self.conv1(x)))
