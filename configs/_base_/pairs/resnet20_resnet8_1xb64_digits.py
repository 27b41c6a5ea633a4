# Teacher, student, data and schedule: all that the methods of this pair share,
# and what the literature says of the pair.
_base_ = [
    '../networks/resnet20.py',
    '../networks/resnet8.py',
    '../datasets/digits_bs64.py',
    '../schedules/digits.py',
    '../default_runtime.py',
]

_base_.resnet20.head.update(num_classes=10)
_base_.resnet8.head.update(num_classes=10)

model = dict(
    _scope_='mmrazor',
    type='FrozenTeacherDistill',
    teacher=_base_.resnet20,
    architecture=_base_.resnet8,
    teacher_ckpt='work_dirs/resnet20_1xb64_digits/epoch_15.pth',
)

# on top of configs/_base_/distillers
method_settings = dict(
    # so few images have fewer than 16384 of other classes
    crd_distiller=dict(
        distill_losses=dict(
            loss_crd=dict(num_samples=1352, num_negatives=1024)
        )
    ),
)
