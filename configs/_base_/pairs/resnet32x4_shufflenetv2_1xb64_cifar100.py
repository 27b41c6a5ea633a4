# Teacher, student, data and schedule: all that the methods of this pair share.
_base_ = [
    '../networks/resnet32x4.py',
    '../networks/shufflenetv2.py',
    '../datasets/cifar100_bs64.py',
    '../schedules/cifar_240e_bs64_light.py',
    '../default_runtime.py',
]

model = dict(
    _scope_='mmrazor',
    type='FrozenTeacherDistill',
    teacher=_base_.resnet32x4,
    architecture=_base_.shufflenetv2,
    teacher_ckpt='work_dirs/resnet32x4_1xb64_cifar100/epoch_240.pth',
)
