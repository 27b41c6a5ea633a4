_base_ = [
    '../_base_/pairs/resnet56_resnet20_1xb64_cifar100.py',
    '../_base_/distillers/kd.py',
]

model = dict(
    architecture=_base_.kd_architecture,
    distiller=_base_.kd_distiller,
)
