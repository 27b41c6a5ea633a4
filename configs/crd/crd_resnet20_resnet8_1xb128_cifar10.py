_base_ = [
    '../_base_/models/cifar_resnet20_resnet8.py',
    '../_base_/distillers/crd.py',
    '../_base_/datasets/cifar10_bs128.py',
    '../_base_/schedules/cifar_short.py',
    '../_base_/default_runtime.py',
]

model = dict(
    teacher_ckpt='work_dirs/resnet20_1xb128_cifar10/epoch_10.pth',
    distiller={{_base_.crd_distiller}},
)
