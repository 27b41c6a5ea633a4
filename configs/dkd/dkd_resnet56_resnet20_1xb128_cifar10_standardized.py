_base_ = [
    '../_base_/pairs/resnet56_resnet20_1xb128_cifar10.py',
    '../_base_/distillers/dkd_standardized.py',
]

_base_.dkd_standardized_distiller.update(
    _base_.method_settings.dkd_standardized_distiller
)
model = dict(distiller=_base_.dkd_standardized_distiller)
