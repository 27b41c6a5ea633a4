_base_ = [
    '../_base_/pairs/resnet50_mobilenetv1_8xb32_imagenet.py',
    '../_base_/distillers/lakd.py',
]

_base_.lakd_distiller.update(_base_.method_settings.dkd_distiller)
_base_.lakd_distiller.update(_base_.method_settings.lakd_distiller)
model = dict(distiller=_base_.lakd_distiller)
