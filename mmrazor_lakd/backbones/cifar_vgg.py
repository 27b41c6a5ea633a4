"""The VGGs that the distillation literature trains on CIFAR."""

from typing import Sequence, Union

import torch
from mmpretrain.registry import MODELS
from torch import nn

from ..errors import check_choice
from .stages import HE_INIT, StagedBackbone, Stages, make_stage

WIDTHS = (64, 128, 256, 512, 512)
# depth (which counts the paper's three linear layers; only one is kept):
# convolutions of each stage
ARCH_SETTINGS = {
    8: (1, 1, 1, 1, 1),
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}


class ConvBlock(nn.Module):
    """A 3x3 convolution with a bias, BN and a ReLU.

    Args:
        in_channels (int): Channels of the input.
        out_channels (int): Channels of the output.
        activate (bool): Whether to apply the ReLU. The last block of a stage
            leaves that to the stage. Defaults to True.
    """

    def __init__(
        self, in_channels: int, out_channels: int, activate: bool = True
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.bn = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU() if activate else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H, W)."""
        x = self.bn(self.conv(x))
        return x if self.relu is None else self.relu(x)


@MODELS.register_module()
class CIFARVGG(StagedBackbone):
    """VGG with batch norm for 32x32 images, as in the KD literature.

    Five stages; a 2x2 max pooling opens the second, third and fourth, so that
    the last two have maps of equal size. One linear layer follows, in the
    head.

    The maps to distil are named ``layer0.preact`` to ``layer4.preact``
    (before the last ReLU of a stage) and ``layer0`` to ``layer4`` (after it).
    They count from 0, as in the literature: its maps of a ResNet's first stage
    correspond to those of VGG's second.

    Source: Simonyan and Zisserman, "Very Deep Convolutional Networks for
    Large-Scale Image Recognition", ICLR 2015; RepDistiller's variant.

    Args:
        depth (int): 8, 11, 13, 16 or 19.
        in_channels (int): Channels of the input images. Defaults to 3.
        out_indices (Sequence[int]): The stages to return, from 0 to 4.
            Defaults to ``(4, )``.
        init_cfg (dict | list): Initialisation. Defaults to He's for
            convolutions.

    Raises:
        SettingError: If the depth or an index doesn't exist.

    Examples:
        >>> import torch
        >>> from mmrazor_lakd.backbones import CIFARVGG
        >>> net = CIFARVGG(8, out_indices=(0, 1, 2, 3, 4))
        >>> [tuple(m.shape[1:]) for m in net(torch.rand(1, 3, 32, 32))]
        [(64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4), (512, 4, 4)]
    """

    map_stages = Stages(
        ('layer0', 'layer1', 'layer2', 'layer3', 'layer4'),
        skipped=('layer0',),
    )

    def __init__(
        self,
        depth: int,
        in_channels: int = 3,
        out_indices: Sequence[int] = (4,),
        init_cfg: Union[dict, list, tuple, None] = HE_INIT,
    ) -> None:
        stages = self.map_stages.names
        super().__init__(stages, out_indices, init_cfg)
        check_choice('CIFARVGG', 'depth', depth, tuple(ARCH_SETTINGS))
        self.depth = depth
        self.feat_dim = WIDTHS[-1]
        channels = in_channels
        for number, count in enumerate(ARCH_SETTINGS[depth]):
            blocks = []
            for index in range(count):
                last = index == count - 1
                width = WIDTHS[number]
                blocks.append(ConvBlock(channels, width, activate=not last))
                channels = width
            before = {}
            if number in (1, 2, 3):
                before['pool'] = nn.MaxPool2d(2)
            self.add_module(stages[number], make_stage(blocks, before))

    def stem(self, x: torch.Tensor) -> torch.Tensor:
        """Return the images (N, C, H, W): VGG has no stem."""
        return x
