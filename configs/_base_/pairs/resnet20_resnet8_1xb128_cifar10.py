# Teacher, student, data and schedule: all that the methods of this pair share.
_base_ = [
    '../models/cifar_resnet20_resnet8.py',
    '../datasets/cifar10_bs128.py',
    '../schedules/cifar_short.py',
    '../default_runtime.py',
]

model = dict(teacher_ckpt='work_dirs/resnet20_1xb128_cifar10/epoch_10.pth')
