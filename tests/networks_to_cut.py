"""Small networks of several families, and the names of their blocks."""

from conftest import classifier
from mmpretrain.registry import MODELS


def resnet(depth, width=64):
    return MODELS.build(classifier(depth, width=width))


def network(type, width, **backbone):
    cfg = classifier(8, width=width)
    cfg['backbone'] = dict(type=type, **backbone)
    if type == 'ConvNeXt':
        cfg['neck'] = None
    return MODELS.build(cfg)


def vgg(depth):
    return network(
        'VGG', 512, depth=depth, norm_cfg=dict(type='BN'), num_classes=-1
    )


def vit():
    cfg = classifier(8)
    cfg['backbone'] = dict(
        type='VisionTransformer', arch='deit-t', img_size=32, patch_size=8
    )
    cfg['neck'] = None
    cfg['head'] = dict(
        type='VisionTransformerClsHead', num_classes=10, in_channels=192
    )
    return MODELS.build(cfg)


def short(blocks):
    return [block.name.replace('backbone.', '') for block in blocks]


def stages(prefix, counts, start=1):
    return [
        f'{prefix}{stage}.{index}'
        for stage, count in enumerate(counts, start)
        for index in range(count)
    ]
