_base_ = [
    '../_base_/pairs/resnet20_resnet8_1xb128_cifar10.py',
    '../_base_/distillers/rld.py',
]

_base_.rld_distiller.update(_base_.method_settings.rld_distiller)
model = dict(distiller=_base_.rld_distiller)
