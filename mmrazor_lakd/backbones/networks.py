"""The named networks of the distillation literature, as configs."""

from typing import Dict, NamedTuple, Optional

from mmpretrain.registry import MODELS
from torch import nn


class Architecture(NamedTuple):
    """A network of the literature.

    Attributes:
        backbone (dict): Config of the backbone.
        image_size (int): Height and width of its images.
        num_classes (int): Number of classes in the literature.
    """

    backbone: dict
    image_size: int = 32
    num_classes: int = 100


def _imagenet(**backbone) -> Architecture:
    return Architecture(backbone, image_size=224, num_classes=1000)


# The names are RepDistiller's and mdistiller's; those for ImageNet have a
# suffix for the data.
NETWORKS: Dict[str, Architecture] = {
    **{
        f'resnet{depth}': Architecture(dict(type='CIFARResNet', depth=depth))
        for depth in (8, 14, 20, 32, 44, 56, 110, '8x4', '32x4')
    },
    **{
        f'wrn_{depth}_{factor}': Architecture(
            dict(type='CIFARWideResNet', depth=depth, widen_factor=factor)
        )
        for depth in (16, 40)
        for factor in (1, 2)
    },
    **{
        f'vgg{depth}': Architecture(dict(type='CIFARVGG', depth=depth))
        for depth in (8, 11, 13, 16, 19)
    },
    'MobileNetV2': Architecture(dict(type='CIFARMobileNetV2')),
    'ShuffleV1': Architecture(dict(type='CIFARShuffleNetV1')),
    'ShuffleV2': Architecture(dict(type='CIFARShuffleNetV2')),
    # The literature initialises every BN's weight to 1.
    **{
        f'ResNet{depth}': Architecture(
            dict(
                type='TappedResNet_CIFAR',
                depth=depth,
                zero_init_residual=False,
            )
        )
        for depth in (18, 50)
    },
    **{
        f'resnet{depth}_imagenet': _imagenet(
            type='TappedResNet', depth=depth, zero_init_residual=False
        )
        for depth in (18, 34, 50)
    },
    'MobileNetV1_imagenet': _imagenet(type='MobileNetV1'),
}


def build_network(name: str, num_classes: Optional[int] = None) -> nn.Module:
    """Build one of the literature's networks as an ``ImageClassifier``.

    Args:
        name (str): A key of :data:`NETWORKS`.
        num_classes (int, optional): Defaults to the literature's.

    Examples:
        >>> model = build_network('wrn_16_2')
        >>> sum(p.numel() for p in model.parameters())
        703284
    """
    network = NETWORKS[name]
    backbone = MODELS.build(dict(network.backbone, _scope_='mmpretrain'))
    return MODELS.build(
        dict(
            _scope_='mmpretrain',
            type='ImageClassifier',
            backbone=backbone,
            neck=dict(type='GlobalAveragePooling'),
            head=dict(
                type='LinearClsHead',
                num_classes=num_classes or network.num_classes,
                in_channels=backbone.feat_dim,
            ),
        )
    )
