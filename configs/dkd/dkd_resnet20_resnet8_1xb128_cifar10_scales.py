_base_ = [
    '../_base_/pairs/resnet20_resnet8_1xb128_cifar10.py',
    '../_base_/distillers/dkd_scales.py',
]

_base_.dkd_scales_distiller.update(_base_.method_settings.dkd_distiller)
model = dict(distiller=_base_.dkd_scales_distiller)
