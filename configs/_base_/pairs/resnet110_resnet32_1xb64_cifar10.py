# Teacher, student, data and schedule: all that the methods of this pair share,
# and what the literature says of the pair.
_base_ = [
    '../networks/resnet110.py',
    '../networks/resnet32.py',
    '../datasets/cifar10_bs64.py',
    '../schedules/cifar_240e_bs64.py',
    '../default_runtime.py',
]

_base_.resnet110.head.update(num_classes=10)
_base_.resnet32.head.update(num_classes=10)

model = dict(
    _scope_='mmrazor',
    type='FrozenTeacherDistill',
    teacher=_base_.resnet110,
    architecture=_base_.resnet32,
    teacher_ckpt='work_dirs/resnet110_1xb64_cifar10/epoch_240.pth',
)

# on top of configs/_base_/distillers
method_settings = dict(
    dkd_standardized_distiller=dict(
        distill_losses=dict(loss_dkd=dict(loss=dict(loss_weight=15.0)))
    ),
    reviewkd_distiller=dict(
        distill_losses=dict(loss_review=dict(loss=dict(loss_weight=1.0)))
    ),
    wttm_distiller=dict(
        distill_losses=dict(loss_wttm=dict(gamma=0.1, loss_weight=1.5))
    ),
    catkd_distiller=dict(distill_losses=dict(loss_cat=dict(loss_weight=1.8))),
)
