# A local module every 3 blocks of the student's 15; block i of 5 in a stage
# learns from the teacher's block of the same relative depth, of 18.
_base_ = '../lakd/lakd_resnet56_resnet20_1xb128_cifar10.py'

model = dict(
    teacher=dict(backbone=dict(depth=110)),
    architecture=dict(backbone=dict(depth=32)),
    teacher_ckpt='work_dirs/resnet110_1xb128_cifar10/epoch_240.pth',
    distiller=dict(
        local_modules=[
            dict(
                student=f'backbone.layer{i // 5 + 1}.{i % 5}',
                teacher=f'backbone.layer{i // 5 + 1}.'
                f'{(i % 5 + 1) * 18 // 5 - 1}',
            )
            for i in range(2, 14, 3)
        ]
    ),
)
