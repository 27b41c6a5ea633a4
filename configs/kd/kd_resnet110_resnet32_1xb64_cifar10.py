_base_ = [
    '../_base_/pairs/resnet110_resnet32_1xb64_cifar10.py',
    '../_base_/distillers/kd.py',
]

model = dict(
    architecture=_base_.kd_architecture,
    distiller=_base_.kd_distiller,
)
