"""mmpretrain's ResNets with the maps before the last activations."""

import torch
from mmpretrain.models.backbones.resnet import BasicBlock, Bottleneck, ResNet
from mmpretrain.models.backbones.resnet_cifar import ResNet_CIFAR
from mmpretrain.registry import MODELS
from torch import nn
from torch.utils.checkpoint import checkpoint

from .stages import FOUR_STAGES


class _LeavesActivation(nn.Module):
    """Lets an mmpretrain block leave its last ReLU to the stage."""

    activate = True

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H', W')."""
        if self.with_cp and x.requires_grad:
            out = checkpoint(self._sum, x)
        else:
            out = self._sum(x)
        return self.relu(out) if self.activate else out

    def _sum(self, x: torch.Tensor) -> torch.Tensor:
        out = self.norm2(self.conv2(self.relu(self.norm1(self.conv1(x)))))
        if isinstance(self, Bottleneck):
            out = self.norm3(self.conv3(self.relu(out)))
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.drop_path(out) + shortcut


class TappedBasicBlock(_LeavesActivation, BasicBlock):
    """mmpretrain's, with the last ReLU left to the stage if asked to."""


class TappedBottleneck(_LeavesActivation, Bottleneck):
    """mmpretrain's, with the last ReLU left to the stage if asked to."""


class _Tapped(nn.Module):
    """Adds ``preact`` and the last ReLU to each stage."""

    map_stages = FOUR_STAGES

    arch_settings = {
        depth: (
            TappedBasicBlock if block is BasicBlock else TappedBottleneck,
            counts,
        )
        for depth, (block, counts) in ResNet.arch_settings.items()
    }

    def make_res_layer(self, **kwargs) -> nn.Sequential:
        """Build one stage as mmpretrain does, and add ``preact`` to it."""
        stage = super().make_res_layer(**kwargs)
        stage[-1].activate = False
        # Not in place: that would change the output of preact.
        relu = nn.ReLU()
        # mmpretrain reads the network's width from the last stage's last item.
        relu.out_channels = stage[-1].out_channels
        stage.add_module('preact', nn.Identity())
        stage.add_module('relu', relu)
        return stage


@MODELS.register_module()
class TappedResNet(_Tapped, ResNet):
    """mmpretrain's ``ResNet``, with ``preact`` before each stage's last ReLU.

    The network, its arguments and its parameters' names are mmpretrain's:
    either loads the other's checkpoints.

    The maps to distil are named ``layer1.preact`` to ``layer4.preact``
    (before the last ReLU of a stage) and ``layer1`` to ``layer4`` (after it).

    Source: He et al., "Deep Residual Learning for Image Recognition"; the
    stride of a bottleneck is in its 3x3 convolution, as in torchvision.

    Args:
        depth (int): 18, 34, 50, 101 or 152.
        **kwargs: Other arguments of mmpretrain's ``ResNet``.

    Examples:
        >>> import torch
        >>> from mmrazor_lakd.backbones import TappedResNet
        >>> net = TappedResNet(34, out_indices=(0, 1, 2, 3))
        >>> [tuple(m.shape[1:]) for m in net(torch.rand(1, 3, 224, 224))]
        [(64, 56, 56), (128, 28, 28), (256, 14, 14), (512, 7, 7)]
    """


@MODELS.register_module()
class TappedResNet_CIFAR(_Tapped, ResNet_CIFAR):
    """mmpretrain's ``ResNet_CIFAR``, with ``preact`` before each last ReLU.

    With depth 50 it is the literature's CIFAR ``ResNet50``: the ImageNet
    network with a 3x3 stem of stride 1 and no pooling after it. Names and
    checkpoints are as in :class:`TappedResNet`.

    Args:
        depth (int): 18, 34, 50, 101 or 152.
        **kwargs: Other arguments of mmpretrain's ``ResNet_CIFAR``.

    Examples:
        >>> import torch
        >>> from mmrazor_lakd.backbones import TappedResNet_CIFAR
        >>> net = TappedResNet_CIFAR(50, out_indices=(0, 1, 2, 3))
        >>> [tuple(m.shape[1:]) for m in net(torch.rand(1, 3, 32, 32))]
        [(256, 32, 32), (512, 16, 16), (1024, 8, 8), (2048, 4, 4)]
    """


#: mmpretrain's classes, whose checkpoints and outputs are the same
PLAIN_CLASSES = {TappedResNet: ResNet, TappedResNet_CIFAR: ResNet_CIFAR}
