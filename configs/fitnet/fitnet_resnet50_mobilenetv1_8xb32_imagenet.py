_base_ = [
    '../_base_/pairs/resnet50_mobilenetv1_8xb32_imagenet.py',
    '../_base_/distillers/fitnet_imagenet.py',
]

model = dict(distiller=_base_.fitnet_distiller)
