_base_ = [
    '../_base_/pairs/resnet34_resnet18_8xb32_imagenet.py',
    '../_base_/distillers/reviewkd_imagenet.py',
]

model = dict(distiller=_base_.reviewkd_distiller)
