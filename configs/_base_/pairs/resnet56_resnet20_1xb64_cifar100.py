# Teacher, student, data and schedule: all that the methods of this pair share.
_base_ = [
    '../networks/resnet56.py',
    '../networks/resnet20.py',
    '../datasets/cifar100_bs64.py',
    '../schedules/cifar_240e_bs64.py',
    '../default_runtime.py',
]

model = dict(
    _scope_='mmrazor',
    type='FrozenTeacherDistill',
    teacher=_base_.resnet56,
    architecture=_base_.resnet20,
    teacher_ckpt='work_dirs/resnet56_1xb64_cifar100/epoch_240.pth',
)
