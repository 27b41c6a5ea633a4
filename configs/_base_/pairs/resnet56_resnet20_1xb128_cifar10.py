# Teacher, student, data and schedule: all that the methods of this pair share.
_base_ = [
    '../models/cifar_resnet56_resnet20.py',
    '../datasets/cifar10_bs128.py',
    '../schedules/cifar_240e.py',
    '../default_runtime.py',
]

model = dict(teacher_ckpt='work_dirs/resnet56_1xb128_cifar10/epoch_240.pth')
