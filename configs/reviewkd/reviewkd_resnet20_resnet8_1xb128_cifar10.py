_base_ = [
    '../_base_/pairs/resnet20_resnet8_1xb128_cifar10.py',
    '../_base_/distillers/reviewkd.py',
]

_base_.reviewkd_distiller.update(_base_.method_settings.reviewkd_distiller)
model = dict(distiller=_base_.reviewkd_distiller)
