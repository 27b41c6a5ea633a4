_base_ = [
    '../_base_/pairs/resnet56_resnet20_1xb128_cifar10.py',
    '../_base_/distillers/simkd.py',
]

_base_.simkd_architecture.head.update(
    teacher_channels=_base_.model.teacher.head.in_channels
)
model = dict(
    architecture=_base_.simkd_architecture,
    distiller=_base_.simkd_distiller,
)
