"""The networks of the distillation literature, as mmpretrain backbones."""

from .cifar_resnet import CIFARResNet

__all__ = ['CIFARResNet']
