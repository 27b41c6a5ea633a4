# A local module every 3 blocks of the student's 54; block i of 18 in a stage
# learns from the teacher's block of the same relative depth, of 18.
_base_ = '../lakd/lakd_resnet56_resnet20_1xb128_cifar10.py'

model = dict(
    teacher=dict(backbone=dict(depth=110)),
    architecture=dict(backbone=dict(depth=110)),
    teacher_ckpt='work_dirs/resnet110_1xb128_cifar10/epoch_240.pth',
    distiller=dict(
        local_modules=[
            dict(
                student=f'backbone.layer{i // 18 + 1}.{i % 18}',
                teacher=f'backbone.layer{i // 18 + 1}.'
                f'{(i % 18 + 1) * 18 // 18 - 1}',
            )
            for i in range(2, 53, 3)
        ]
    ),
)
