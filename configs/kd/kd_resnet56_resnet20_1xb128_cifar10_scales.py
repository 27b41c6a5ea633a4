_base_ = [
    '../_base_/pairs/resnet56_resnet20_1xb128_cifar10.py',
    '../_base_/distillers/kd_scales.py',
]

model = dict(
    architecture=_base_.kd_scales_architecture,
    distiller=_base_.kd_scales_distiller,
)
