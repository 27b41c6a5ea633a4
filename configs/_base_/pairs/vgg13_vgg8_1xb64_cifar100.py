# Teacher, student, data and schedule: all that the methods of this pair share.
_base_ = [
    '../networks/vgg13.py',
    '../networks/vgg8.py',
    '../datasets/cifar100_bs64.py',
    '../schedules/cifar_240e_bs64.py',
    '../default_runtime.py',
]

model = dict(
    _scope_='mmrazor',
    type='FrozenTeacherDistill',
    teacher=_base_.vgg13,
    architecture=_base_.vgg8,
    teacher_ckpt='work_dirs/vgg13_1xb64_cifar100/epoch_240.pth',
)
