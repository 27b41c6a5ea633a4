# A local module every 3 blocks of the student's 27; block i of 9 in a stage
# learns from the teacher's block of the same relative depth, of 18.
_base_ = '../lakd/lakd_resnet56_resnet20_1xb128_cifar10.py'

model = dict(
    teacher=dict(backbone=dict(depth=110)),
    architecture=dict(backbone=dict(depth=56)),
    teacher_ckpt='work_dirs/resnet110_1xb128_cifar10/epoch_240.pth',
    distiller=dict(
        local_modules=[
            dict(
                student=f'backbone.layer{i // 9 + 1}.{i % 9}',
                teacher=f'backbone.layer{i // 9 + 1}.'
                f'{(i % 9 + 1) * 18 // 9 - 1}',
            )
            for i in range(2, 26, 3)
        ]
    ),
)
