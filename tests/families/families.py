"""Small models of many families, each with a cut that is written by hand.

The configs are those of mmpretrain, mmsegmentation and mmdetection, with few
channels and layers where the family allows it.
"""
# ruff: noqa: E501

from importlib.util import find_spec
from typing import Any, Dict, NamedTuple, Optional

from mmengine.hub import get_config

CLASSES = 10
POOLING = dict(type='GlobalAveragePooling')
TINY = dict(embed_dims=32, num_layers=4, num_heads=2, feedforward_channels=64)


class Family(NamedTuple):
    """A model of a family.

    Attributes:
        model (dict): Its config.
        cut (str): A module behind which it can be cut.
        size (int): Height and width of the images.
        logits (str, optional): The module whose output KD compares.
        package (str): Where it comes from.
    """

    model: Dict[str, Any]
    cut: str
    size: int = 64
    logits: Optional[str] = 'head.fc'
    package: str = 'mmpretrain'


def classifier(
    cut, width, size=64, head='LinearClsHead', neck=POOLING, logits='head.fc',
    options=None,
    **backbone,
):  # fmt: skip
    """A classifier of mmpretrain."""
    model = dict(
        type='ImageClassifier',
        backbone=backbone,
        neck=neck,
        head=dict(
            type=head,
            num_classes=CLASSES,
            in_channels=width,
            **(options or {}),
        ),
    )
    return Family(model, f'backbone.{cut}', size, logits)


def vit(
    cut, head='VisionTransformerClsHead', logits='head.layers.head', **backbone
):
    """One of the vision transformers that are alike."""
    options = dict(arch=TINY, img_size=64, patch_size=16)
    return classifier(
        cut, 32, neck=None, head=head, logits=logits, **{**options, **backbone}
    )


CNNS = {
    'ResNet': classifier('layer2', 512, type='ResNet', depth=18),
    'ResNet-D': classifier('layer2', 512, type='ResNetV1d', depth=18),
    'ResNeXt': classifier('layer2', 2048, type='ResNeXt', depth=50, groups=32, width_per_group=4),
    'SE-ResNet': classifier('layer2', 2048, type='SEResNet', depth=50),
    'Res2Net': classifier('layer2', 2048, type='Res2Net', depth=50, scales=4, base_width=26),
    'ResNeSt': classifier('layer2', 2048, type='ResNeSt', depth=50),
    'RegNet': classifier('layer2', 384, type='RegNet', arch='regnetx_400mf') ,
    'DenseNet': classifier('transitions.0', 1024, type='DenseNet', arch='121'),
    'VGG': classifier('features.4', 512, type='VGG', depth=11, norm_cfg=dict(type='BN'), num_classes=-1),
    'MobileNetV2': classifier('layer3', 1280, type='MobileNetV2'),
    'MobileNetV3': classifier('layer4', 576, type='MobileNetV3', arch='small'),
    'ShuffleNetV1': classifier('layers.0', 960, type='ShuffleNetV1'),
    'ShuffleNetV2': classifier('layers.0', 1024, type='ShuffleNetV2'),
    'EfficientNet': classifier('layers.3', 1280, type='EfficientNet', arch='b0'),
    'EfficientNetV2': classifier('layers.3', 1280, type='EfficientNetV2', arch='b0'),
    'RepVGG': classifier('stage_2', 1280, type='RepVGG', arch='A0'),
    'MobileOne': classifier('stage1', 1024, type='MobileOne', arch='s0'),
    'HRNet': classifier('layer1', 2048, neck=[dict(type='HRFuseScales', in_channels=(18, 36, 72, 144)), dict(type='GlobalAveragePooling')], type='HRNet', arch='w18'),
    'ConvNeXt': classifier('stages.1', 320, neck=None, type='ConvNeXt', arch='atto'),
    'CSPResNet': classifier('stages.1', 1024, type='CSPResNet', depth=50),
    'VAN': classifier('blocks1.2', 256, neck=None, type='VAN', arch='tiny'),
    'PoolFormer': classifier('network.0', 512, type='PoolFormer', arch='s12'),
    'RepLKNet': classifier('stages.1', 1024, type='RepLKNet', arch='31B'),
    'HorNet': classifier('stages.1', 512, neck=None, type='HorNet', arch='tiny'),
    'EdgeNeXt': classifier('stages.1', 168, neck=None, type='EdgeNeXt', arch='xxsmall'),
    'MobileViT': classifier('layers.1', 320, type='MobileViT', arch='xx_small'),
    'RIFormer': classifier('network.0', 512, type='RIFormer', arch='s12'),
}  # fmt: skip
TRANSFORMERS = {
    'ViT': vit('layers.1', type='VisionTransformer'),
    'DeiT': vit('layers.1', type='DistilledVisionTransformer', head='DeiTClsHead'),
    'BEiT': classifier('layers.1', 32, neck=None, type='BEiTViT', img_size=64, patch_size=16, arch=dict(embed_dims=32, num_layers=4, num_heads=2, feedforward_channels=64), out_type='avg_featmap', use_abs_pos_emb=False, use_rel_pos_bias=True),
    'Swin': classifier('stages.1', 128, type='SwinTransformer', arch=dict(embed_dims=32, depths=[2, 2, 2], num_heads=[1, 2, 4]), patch_size=4, window_size=4, img_size=64, out_indices=(2,)),
    'Swin V2': classifier('stages.1', 128, type='SwinTransformerV2', arch=dict(embed_dims=32, depths=[2, 2, 2], num_heads=[1, 2, 4], extra_norm_every_n_blocks=0), patch_size=4, window_size=[4, 4, 4], pretrained_window_sizes=[0, 0, 0], img_size=64, out_indices=(2,)),
    'T2T-ViT': classifier('encoder.1', 32, neck=None, head='VisionTransformerClsHead', logits='head.layers.head', type='T2T_ViT', img_size=64, t2t_cfg=dict(token_dims=16, use_performer=False), num_layers=4, layer_cfgs=dict(num_heads=2, feedforward_channels=64), embed_dims=32),
    'Twins': classifier('stages.1.3', 512, type='PCPVT', arch='small'),
    'MLP-Mixer': classifier('layers.1', 32, type='MlpMixer', arch=dict(embed_dims=32, num_layers=4, tokens_mlp_dims=16, channels_mlp_dims=64), img_size=64, patch_size=16),
    'LeViT': classifier('stages.0', 384, head='LeViTClsHead', options=dict(distillation=False), neck=POOLING, logits='head.head', type='LeViT', arch='128s', img_size=64),
    'XCiT': classifier('xca_layers.1', 32, neck=None, type='XCiT', patch_size=16, embed_dims=32, depth=4, num_heads=2),
    'TinyViT': classifier('stages.1', 320, neck=None, type='TinyViT', arch='5m', img_size=(64, 64), window_size=[2, 2, 2, 2]),
    'EfficientFormer': classifier('network.0', 448, size=224, neck=None, head='EfficientFormerClsHead', options=dict(distillation=False), logits='head.head', type='EfficientFormer', arch='l1', reshape_last_feat=False),
    'MViT': classifier('blocks.1', 768, type='MViT', arch='tiny'),
    'DaViT': classifier('stages.1', 768, type='DaViT', arch='tiny', pad_small_map=True),
    'Conformer': classifier('conv_1', 384, neck=None, type='Conformer', arch='tiny'),
}  # fmt: skip

# Heads of other kinds, and models that learn without labels.
OTHERS = {
    'multi-label': classifier('layer2', 512, head='MultiLabelLinearClsHead', type='ResNet', depth=18),
    'multi-label, CSRA': classifier('layer2', 512, neck=None, head='CSRAClsHead', options=dict(num_heads=1, lam=0.1), logits=None, type='ResNet', depth=18),
    'multi-task': Family(
        dict(
            type='ImageClassifier',
            backbone=dict(type='ResNet', depth=18),
            neck=POOLING,
            head=dict(
                type='MultiTaskHead',
                in_channels=512,
                task_heads=dict(
                    kind=dict(type='LinearClsHead', num_classes=CLASSES),
                    colour=dict(type='LinearClsHead', num_classes=3),
                ),
            ),
        ),
        'backbone.layer2', logits='head.task_heads.kind.fc',
    ),
    'SimSiam': Family(
        dict(
            type='SimSiam',
            backbone=dict(type='ResNet', depth=18, norm_cfg=dict(type='BN')),
            neck=dict(type='NonLinearNeck', in_channels=512, hid_channels=32, out_channels=32, num_layers=2, with_last_bn_affine=False, with_avg_pool=True),
            head=dict(type='LatentPredictHead', loss=dict(type='CosineSimilarityLoss'), predictor=dict(type='NonLinearNeck', in_channels=32, hid_channels=16, out_channels=32, with_avg_pool=False, with_last_bn=False)),
        ),
        'backbone.layer2', logits=None,
    ),
    'MoCo': Family(
        dict(
            type='MoCo', queue_len=64, feat_dim=32, momentum=0.001,
            backbone=dict(type='ResNet', depth=18, norm_cfg=dict(type='BN')),
            neck=dict(type='MoCoV2Neck', in_channels=512, hid_channels=32, out_channels=32, with_avg_pool=True),
            head=dict(type='ContrastiveHead', loss=dict(type='CrossEntropyLoss'), temperature=0.2),
        ),
        'backbone.layer2', logits=None,
    ),
    'MAE': Family(
        dict(
            type='MAE',
            backbone=dict(type='MAEViT', arch=TINY, img_size=64, patch_size=16, mask_ratio=0.75),
            neck=dict(type='MAEPretrainDecoder', num_patches=16, patch_size=16, embed_dim=32, decoder_embed_dim=32, decoder_depth=1, decoder_num_heads=2),
            head=dict(type='MAEPretrainHead', norm_pix=True, patch_size=16, loss=dict(type='PixelReconstructionLoss', criterion='L2')),
        ),
        'backbone.layers.1', logits=None,
    ),
}  # fmt: skip
BN = dict(type='BN')
DILATED = dict(
    type='ResNetV1c',
    depth=18,
    out_indices=(0, 1, 2, 3),
    norm_cfg=BN,
    dilations=(1, 1, 2, 4),
    strides=(1, 2, 1, 1),
)


def segmentor(
    cut, head, auxiliary=None, logits='decode_head.conv_seg', **backbone
):
    """A segmentor of mmsegmentation."""
    common = dict(num_classes=CLASSES, norm_cfg=BN, channels=16)
    model = dict(
        type='EncoderDecoder',
        backbone=backbone or DILATED,
        decode_head={**common, **head},
        test_cfg=dict(mode='whole'),
    )
    if auxiliary:
        model['auxiliary_head'] = {**common, **auxiliary}
    return Family(model, f'backbone.{cut}', 64, logits, 'mmseg')


FCN = dict(type='FCNHead', in_channels=256, in_index=2, num_convs=1)
LAST = dict(in_channels=512, in_index=3)
SEGMENTORS = {
    'FCN': segmentor('layer2', dict(FCN, **LAST)),
    'PSPNet': segmentor('layer2', dict(type='PSPHead', pool_scales=(1, 2), **LAST), FCN),
    'DeepLabV3': segmentor('layer2', dict(type='ASPPHead', dilations=(1, 2), **LAST), FCN),
    'DeepLabV3+': segmentor('layer1', dict(type='DepthwiseSeparableASPPHead', dilations=(1, 2), c1_in_channels=64, c1_channels=8, **LAST)),
    'OCRNet is a cascade': Family(
        dict(
            type='CascadeEncoderDecoder', num_stages=2, backbone=DILATED,
            decode_head=[
                dict(FCN, channels=16, num_classes=CLASSES, norm_cfg=BN),
                dict(type='OCRHead', channels=16, ocr_channels=8, num_classes=CLASSES, norm_cfg=BN, **LAST),
            ],
            test_cfg=dict(mode='whole'),
        ),
        'backbone.layer2', 64, None, 'mmseg',
    ),
    'SegFormer': segmentor(
        'layers.0.1.0', dict(type='SegformerHead', in_channels=[8, 16, 40, 64], in_index=[0, 1, 2, 3]),
        type='MixVisionTransformer', embed_dims=8, num_layers=[2, 2, 2, 2], num_heads=[1, 2, 5, 8],
    ),
    'UPerNet, Swin': segmentor(
        'stages.0.blocks.1', dict(type='UPerHead', in_channels=[32, 64, 128], in_index=[0, 1, 2], pool_scales=(1, 2)),
        type='SwinTransformer', embed_dims=32, depths=(2, 2, 2), num_heads=(1, 2, 4), strides=(4, 2, 2), out_indices=(0, 1, 2), window_size=4, pretrain_img_size=64,
    ),
}  # fmt: skip

# Configs of mmdetection's model zoo, and a module behind which to cut.
DETECTORS = {
    'RetinaNet': ('retinanet/retinanet_r18_fpn_1x_coco', 'layer1'),
    'FCOS': ('fcos/fcos_r50-caffe_fpn_gn-head_1x_coco', 'layer1'),
    'ATSS': ('atss/atss_r50_fpn_1x_coco', 'layer1'),
    'GFL': ('gfl/gfl_r50_fpn_1x_coco', 'layer1'),
    'SSD': ('ssd/ssd300_coco', 'features.16'),
    'YOLOX': ('yolox/yolox_tiny_8xb8-300e_coco', 'stage1'),
    'RTMDet': ('rtmdet/rtmdet_tiny_8xb32-300e_coco', 'stage1'),
    'Faster R-CNN': ('faster_rcnn/faster-rcnn_r50_fpn_1x_coco', 'layer2'),
    'Mask R-CNN': ('mask_rcnn/mask-rcnn_r50_fpn_1x_coco', 'layer2'),
    'Cascade R-CNN': ('cascade_rcnn/cascade-rcnn_r50_fpn_1x_coco', 'layer2'),
    'DETR': ('detr/detr_r50_8xb2-150e_coco', 'layer2'),
    'Deformable DETR': (
        'deformable_detr/deformable-detr_r50_16xb2-50e_coco', 'layer1',
    ),
}  # fmt: skip


def detector(path, cut):
    """A detector of mmdetection's model zoo, without published weights."""
    model = get_config(f'mmdet::{path}.py').model
    model.pop('data_preprocessor', None)
    model.backbone.init_cfg = None
    size = 320 if 'ssd' in path else 128
    return Family(model, f'backbone.{cut}', size, None, 'mmdet')


def families():
    """All whose packages are installed, by the name of their kind."""
    found = {
        'convolutional': CNNS,
        'transformer': TRANSFORMERS,
        'other heads and losses': OTHERS,
    }
    if find_spec('mmcv._ext'):
        if find_spec('mmseg'):
            found['segmentor'] = SEGMENTORS
        if find_spec('mmdet'):
            found['detector'] = {
                name: detector(*entry) for name, entry in DETECTORS.items()
            }
    return found
