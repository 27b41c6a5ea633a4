_base_ = [
    '../_base_/pairs/resnet32x4_shufflenetv1_1xb64_cifar100.py',
    '../_base_/distillers/lakd.py',
]

_base_.lakd_distiller.update(_base_.method_settings.dkd_distiller)
model = dict(distiller=_base_.lakd_distiller)
