"""Small networks of several families, and the names of their blocks."""

from conftest import classifier
from mmpretrain.registry import MODELS
from torch import nn


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


def swin():
    """Three stages of two, two and four blocks at 64x64 pixels."""
    cfg = classifier(8, width=128)
    cfg['backbone'] = dict(
        type='SwinTransformer',
        arch=dict(embed_dims=32, depths=[2, 2, 4], num_heads=[1, 2, 4]),
        img_size=64,
        patch_size=2,
        window_size=4,
        drop_path_rate=0.0,
        out_indices=(2,),
    )
    return MODELS.build(cfg)


class Perceptron(nn.Module):
    """A backbone without maps."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3 * 32 * 32, 64)

    def forward(self, images):
        return (self.fc(images.flatten(1)),)


def perceptron():
    model = resnet(8)
    model.backbone, model.neck = Perceptron(), None
    return model


def short(blocks):
    return [block.name.replace('backbone.', '') for block in blocks]


def stages(prefix, counts, start=1):
    return [
        f'{prefix}{stage}.{index}'
        for stage, count in enumerate(counts, start)
        for index in range(count)
    ]
