_base_ = [
    '../_base_/models/cifar_resnet56_resnet20.py',
    '../_base_/distillers/crd.py',
    '../_base_/datasets/cifar10_bs128.py',
    '../_base_/schedules/cifar_240e.py',
    '../_base_/default_runtime.py',
]

model = dict(
    teacher_ckpt='work_dirs/resnet56_1xb128_cifar10/epoch_240.pth',
    distiller={{_base_.crd_distiller}},
)
