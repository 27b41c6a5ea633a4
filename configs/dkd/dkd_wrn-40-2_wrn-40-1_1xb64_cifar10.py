_base_ = [
    '../_base_/pairs/wrn-40-2_wrn-40-1_1xb64_cifar10.py',
    '../_base_/distillers/dkd.py',
]

_base_.dkd_distiller.update(_base_.method_settings.dkd_distiller)
model = dict(distiller=_base_.dkd_distiller)
