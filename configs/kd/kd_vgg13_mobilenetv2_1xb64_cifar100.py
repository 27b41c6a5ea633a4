_base_ = [
    '../_base_/pairs/vgg13_mobilenetv2_1xb64_cifar100.py',
    '../_base_/distillers/kd.py',
]

model = dict(
    architecture=_base_.kd_architecture,
    distiller=_base_.kd_distiller,
)
