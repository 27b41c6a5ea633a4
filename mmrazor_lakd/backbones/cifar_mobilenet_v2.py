"""The MobileNetV2 that the distillation literature trains on CIFAR."""

from typing import Sequence, Union

import torch
from mmpretrain.registry import MODELS
from torch import nn

from .stages import FOUR_STAGES, HE_INIT, StagedBackbone, make_stage

# For each stage, rows of channels, blocks and first stride. The expansion is 1
# in the first row and an option in the others.
ARCH_SETTINGS = (
    ((1, 16, 1, 1), (None, 24, 2, 1)),
    ((None, 32, 3, 2),),
    ((None, 64, 4, 2), (None, 96, 3, 1)),
    ((None, 160, 3, 2), (None, 320, 1, 1)),
)
LAST_CHANNELS = 1280


class InvertedResidual(nn.Module):
    """A 1x1 expansion, a 3x3 depthwise and a linear 1x1 convolution.

    Unlike mmpretrain's, it has the expansion convolution for a ratio of 1 too,
    and ReLU instead of ReLU6.

    Args:
        in_channels (int): Channels of the input.
        out_channels (int): Channels of the output.
        stride (int): Stride of the depthwise convolution.
        expand_ratio (int): Ratio of the channels in the block to those of the
            input.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        expand_ratio: int,
    ) -> None:
        super().__init__()
        middle = in_channels * expand_ratio
        self.conv = nn.Sequential(
            nn.Conv2d(in_channels, middle, 1, bias=False),
            nn.BatchNorm2d(middle),
            nn.ReLU(),
            nn.Conv2d(
                middle, middle, 3, stride, padding=1, groups=middle, bias=False
            ),
            nn.BatchNorm2d(middle),
            nn.ReLU(),
            nn.Conv2d(middle, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.shortcut = stride == 1 and in_channels == out_channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H', W')."""
        return x + self.conv(x) if self.shortcut else self.conv(x)


def conv_bn_relu(in_channels, out_channels, size, stride) -> nn.Sequential:
    """Build a convolution, BN and a ReLU."""
    return nn.Sequential(
        nn.Conv2d(
            in_channels, out_channels, size, stride, size // 2, bias=False
        ),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


@MODELS.register_module()
class CIFARMobileNetV2(StagedBackbone):
    """MobileNetV2 for 32x32 images, as in the KD literature.

    By default the literature's ``MobileNetV2``: half the width, expansion 6.
    It differs from mmpretrain's in strides, widths and activations.

    The maps to distil are ``layer1`` to ``layer4``. A stage ends in a linear
    convolution without an activation after it: ``layer1.preact`` to
    ``layer4.preact`` are the same maps. ``conv2``, a 1x1 convolution to 1280
    channels, follows.

    Source: Sandler et al., "MobileNetV2: Inverted Residuals and Linear
    Bottlenecks", CVPR 2018; RepDistiller's variant.

    Args:
        widen_factor (float): Factor of the widths. Defaults to 0.5.
        expand_ratio (int): Expansion in the blocks. Defaults to 6.
        in_channels (int): Channels of the input images. Defaults to 3.
        out_indices (Sequence[int]): What to return: 0 to 3 are the stages, 4
            is ``conv2``. Defaults to ``(4, )``.
        init_cfg (dict | list): Initialisation. Defaults to He's for
            convolutions.

    Raises:
        SettingError: If an index doesn't exist.

    Examples:
        >>> import torch
        >>> from mmrazor_lakd.backbones import CIFARMobileNetV2
        >>> net = CIFARMobileNetV2(out_indices=(0, 1, 2, 3, 4))
        >>> [tuple(m.shape[1:]) for m in net(torch.rand(1, 3, 32, 32))]
        [(12, 16, 16), (16, 8, 8), (48, 4, 4), (160, 2, 2), (1280, 2, 2)]
    """

    map_stages = FOUR_STAGES

    def __init__(
        self,
        widen_factor: float = 0.5,
        expand_ratio: int = 6,
        in_channels: int = 3,
        out_indices: Sequence[int] = (4,),
        init_cfg: Union[dict, list, tuple, None] = HE_INIT,
    ) -> None:
        stages = self.map_stages.names
        super().__init__([*stages, 'conv2'], out_indices, init_cfg)
        channels = int(32 * widen_factor)
        self.conv1 = conv_bn_relu(in_channels, channels, 3, 2)
        for name, rows in zip(stages, ARCH_SETTINGS):
            blocks = []
            for ratio, width, count, stride in rows:
                width = int(width * widen_factor)
                for _ in range(count):
                    ratio = ratio or expand_ratio
                    blocks.append(
                        InvertedResidual(channels, width, stride, ratio)
                    )
                    channels, stride = width, 1
            self.add_module(name, make_stage(blocks, activate=False))
        self.feat_dim = int(LAST_CHANNELS * max(widen_factor, 1))
        self.conv2 = conv_bn_relu(channels, self.feat_dim, 1, 1)

    def stem(self, x: torch.Tensor) -> torch.Tensor:
        """Map images (N, C, H, W) to (N, 16, H / 2, W / 2)."""
        return self.conv1(x)
