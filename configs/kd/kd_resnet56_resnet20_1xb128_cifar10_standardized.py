_base_ = [
    '../_base_/pairs/resnet56_resnet20_1xb128_cifar10.py',
    '../_base_/distillers/kd_standardized.py',
]

model = dict(
    architecture=_base_.kd_standardized_architecture,
    distiller=_base_.kd_standardized_distiller,
)
