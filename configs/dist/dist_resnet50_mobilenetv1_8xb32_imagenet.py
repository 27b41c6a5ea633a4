_base_ = [
    '../_base_/pairs/resnet50_mobilenetv1_8xb32_imagenet.py',
    '../_base_/distillers/dist_imagenet.py',
]

model = dict(distiller=_base_.dist_distiller)
