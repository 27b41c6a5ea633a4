_base_ = [
    '../_base_/pairs/wrn-40-2_wrn-16-2_1xb64_cifar100.py',
    '../_base_/distillers/kd.py',
]

model = dict(
    architecture=_base_.kd_architecture,
    distiller=_base_.kd_distiller,
)
