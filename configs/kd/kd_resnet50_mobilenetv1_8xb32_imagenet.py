_base_ = [
    '../_base_/pairs/resnet50_mobilenetv1_8xb32_imagenet.py',
    '../_base_/distillers/kd.py',
]

_base_.kd_architecture.update(_base_.method_settings.kd_architecture)
_base_.kd_distiller.update(_base_.method_settings.kd_distiller)
model = dict(
    architecture=_base_.kd_architecture,
    distiller=_base_.kd_distiller,
)
