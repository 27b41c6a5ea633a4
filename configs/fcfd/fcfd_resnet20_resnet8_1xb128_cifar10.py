_base_ = [
    '../_base_/pairs/resnet20_resnet8_1xb128_cifar10.py',
    '../_base_/distillers/fcfd.py',
]

_base_.fcfd_distiller.update(_base_.method_settings.fcfd_distiller)
model = dict(distiller=_base_.fcfd_distiller)
