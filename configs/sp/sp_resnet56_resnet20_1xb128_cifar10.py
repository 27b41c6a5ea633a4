_base_ = [
    '../_base_/pairs/resnet56_resnet20_1xb128_cifar10.py',
    '../_base_/distillers/sp.py',
]

_base_.sp_distiller.update(_base_.method_settings.sp_distiller)
model = dict(distiller=_base_.sp_distiller)
