# Teacher, student, data and schedule: all that the methods of this pair share.
_base_ = [
    '../networks/resnet50.py',
    '../networks/mobilenetv2.py',
    '../datasets/cifar100_bs64.py',
    '../schedules/cifar_240e_bs64_light.py',
    '../default_runtime.py',
]

model = dict(
    _scope_='mmrazor',
    type='FrozenTeacherDistill',
    teacher=_base_.resnet50,
    architecture=_base_.mobilenetv2,
    teacher_ckpt='work_dirs/resnet50_1xb64_cifar100/epoch_240.pth',
)
