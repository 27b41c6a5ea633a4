# Teacher, student, data and schedule: all that the methods of this pair share.
_base_ = [
    '../networks/resnet50_imagenet.py',
    '../networks/mobilenetv1_imagenet.py',
    'mmpretrain::_base_/datasets/imagenet_bs32.py',
    '../schedules/imagenet_100e.py',
    '../default_runtime.py',
]

model = dict(
    _scope_='mmrazor',
    type='FrozenTeacherDistill',
    teacher=_base_.resnet50,
    architecture=_base_.mobilenetv1,
    # mmpretrain's own, downloaded on first use; 76.55 top-1 as published
    teacher_ckpt='https://download.openmmlab.com/mmclassification/v0/resnet/'
    'resnet50_8xb32_in1k_20210831-ea4938fc.pth',
)
