_base_ = [
    '../_base_/pairs/resnet34_resnet18_8xb32_imagenet.py',
    '../_base_/distillers/dkd.py',
]

_base_.dkd_distiller.update(_base_.method_settings.dkd_distiller)
model = dict(distiller=_base_.dkd_distiller)
