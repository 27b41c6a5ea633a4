# What docs/en/memory.md measures as growth with depth: a student of DEPTH
# layers, an environment variable, with a local module every 3 blocks; block i
# of a stage learns from ResNet110's block of the same relative depth, of 18.
_base_ = '../../../configs/lakd/lakd_resnet56_resnet20_1xb128_cifar10.py'

depth = {{'$DEPTH:32'}}
per_stage = (depth - 2) // 6

model = dict(
    teacher=dict(backbone=dict(depth=110)),
    architecture=dict(backbone=dict(depth=depth)),
    teacher_ckpt='work_dirs/resnet110_1xb128_cifar10/epoch_240.pth',
    distiller=dict(
        local_modules=[
            dict(
                student=f'backbone.layer{i // per_stage + 1}.{i % per_stage}',
                teacher=f'backbone.layer{i // per_stage + 1}.'
                f'{(i % per_stage + 1) * 18 // per_stage - 1}',
            )
            for i in range(2, 3 * per_stage - 1, 3)
        ]
    ),
)
