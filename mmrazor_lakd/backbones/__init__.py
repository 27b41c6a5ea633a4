"""The networks of the distillation literature, as mmpretrain backbones."""

from .cifar_mobilenet_v2 import CIFARMobileNetV2
from .cifar_resnet import CIFARResNet
from .cifar_shufflenet_v1 import CIFARShuffleNetV1
from .cifar_shufflenet_v2 import CIFARShuffleNetV2
from .cifar_vgg import CIFARVGG
from .cifar_wide_resnet import CIFARWideResNet
from .mobilenet_v1 import MobileNetV1
from .networks import NETWORKS, Architecture, build_network
from .tapped_resnet import TappedResNet, TappedResNet_CIFAR

__all__ = [
    'CIFARMobileNetV2',
    'CIFARResNet',
    'CIFARShuffleNetV1',
    'CIFARShuffleNetV2',
    'CIFARVGG',
    'CIFARWideResNet',
    'MobileNetV1',
    'NETWORKS',
    'Architecture',
    'TappedResNet',
    'TappedResNet_CIFAR',
    'build_network',
]
