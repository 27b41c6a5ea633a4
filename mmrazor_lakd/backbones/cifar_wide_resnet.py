"""The wide ResNets that the distillation literature trains on CIFAR."""

from typing import Optional, Sequence, Union

import torch
from mmpretrain.registry import MODELS
from torch import nn

from ..errors import check_choice
from .stages import HE_INIT, StagedBackbone, Stages, make_stage


class PreActBlock(nn.Module):
    """BN, ReLU and a 3x3 convolution, twice, and a shortcut.

    Where the width changes, the shortcut starts after the first BN and ReLU,
    otherwise before them.

    Args:
        in_channels (int): Channels of the input.
        out_channels (int): Channels of the output.
        stride (int): Stride of the first convolution. Defaults to 1.
        activated (bool): Whether the input has already gone through BN and
            ReLU. Defaults to False.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        activated: bool = False,
    ) -> None:
        super().__init__()
        self.bn1 = None if activated else nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(
            in_channels, out_channels, 3, stride, padding=1, bias=False
        )
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(
            out_channels, out_channels, 3, padding=1, bias=False
        )
        self.relu = nn.ReLU()
        self.downsample: Optional[nn.Module] = None
        if in_channels != out_channels:
            self.downsample = nn.Conv2d(
                in_channels, out_channels, 1, stride, bias=False
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H', W')."""
        out = x if self.bn1 is None else self.relu(self.bn1(x))
        shortcut = x if self.downsample is None else self.downsample(out)
        out = self.conv2(self.relu(self.bn2(self.conv1(out))))
        return out + shortcut


@MODELS.register_module()
class CIFARWideResNet(StagedBackbone):
    """Wide ResNet for 32x32 images, depth 6n + 4, as in the KD literature.

    Three stages of n pre-activation blocks, 16k, 32k and 64k channels wide
    for a widening factor k. The BN and ReLU that would open a stage are placed
    at the end of the one before it, where the literature takes the
    pre-activation map too; the computation is the same. So the maps to distil
    are

    - ``layer1.preact`` to ``layer3.preact``: after the BN, before the ReLU,
    - ``layer1`` to ``layer3``: after the ReLU,
    - ``layer1.sum`` to ``layer3.sum``: the last block's sum, before the BN.
      RepDistiller and mdistiller use this one for methods that take a stage's
      output.

    Source: Zagoruyko and Komodakis, "Wide Residual Networks", BMVC 2016;
    the variant of RepDistiller, without dropout.

    Args:
        depth (int): 16, 22, 28 or 40.
        widen_factor (int): The factor k. Defaults to 1.
        in_channels (int): Channels of the input images. Defaults to 3.
        out_indices (Sequence[int]): The stages to return, from 0 to 2.
            Defaults to ``(2, )``.
        init_cfg (dict | list): Initialisation. Defaults to He's for
            convolutions.

    Raises:
        SettingError: If the depth or an index doesn't exist.

    Examples:
        >>> import torch
        >>> from mmrazor_lakd.backbones import CIFARWideResNet
        >>> net = CIFARWideResNet(16, 2, out_indices=(0, 1, 2))
        >>> [tuple(m.shape) for m in net(torch.rand(1, 3, 32, 32))]
        [(1, 32, 32, 32), (1, 64, 16, 16), (1, 128, 8, 8)]
    """

    map_stages = Stages(output='sum')

    def __init__(
        self,
        depth: int,
        widen_factor: int = 1,
        in_channels: int = 3,
        out_indices: Sequence[int] = (2,),
        init_cfg: Union[dict, list, tuple, None] = HE_INIT,
    ) -> None:
        super().__init__(('layer1', 'layer2', 'layer3'), out_indices, init_cfg)
        check_choice('CIFARWideResNet', 'depth', depth, (16, 22, 28, 40))
        num_blocks = (depth - 4) // 6
        channels = 16
        self.conv1 = nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)
        for number, name in enumerate(self.stages):
            width = 16 * 2**number * widen_factor
            blocks = []
            for index in range(num_blocks):
                # The previous stage has applied the first block's BN and ReLU.
                activated = index == 0 and number > 0
                stride = 2 if activated else 1
                blocks.append(PreActBlock(channels, width, stride, activated))
                channels = width
            after = dict(sum=nn.Identity(), bn=nn.BatchNorm2d(width))
            self.add_module(name, make_stage(blocks, after=after))
        self.feat_dim = channels

    def stem(self, x: torch.Tensor) -> torch.Tensor:
        """Map images (N, C, H, W) to (N, 16, H, W)."""
        return self.conv1(x)
