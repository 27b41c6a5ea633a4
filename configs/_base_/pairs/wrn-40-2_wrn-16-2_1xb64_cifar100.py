# Teacher, student, data and schedule: all that the methods of this pair share.
_base_ = [
    '../networks/wrn-40-2.py',
    '../networks/wrn-16-2.py',
    '../datasets/cifar100_bs64.py',
    '../schedules/cifar_240e_bs64.py',
    '../default_runtime.py',
]

model = dict(
    _scope_='mmrazor',
    type='FrozenTeacherDistill',
    teacher=_base_.wrn_40_2,
    architecture=_base_.wrn_16_2,
    teacher_ckpt='work_dirs/wrn-40-2_1xb64_cifar100/epoch_240.pth',
)
