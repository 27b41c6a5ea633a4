# Teacher, student, data and schedule: all that the methods of this pair share,
# and what the literature says of the pair.
_base_ = [
    '../networks/resnet110.py',
    '../networks/resnet32.py',
    '../datasets/cifar100_bs64.py',
    '../schedules/cifar_240e_bs64.py',
    '../default_runtime.py',
]

model = dict(
    _scope_='mmrazor',
    type='FrozenTeacherDistill',
    teacher=_base_.resnet110,
    architecture=_base_.resnet32,
    teacher_ckpt='work_dirs/resnet110_1xb64_cifar100/epoch_240.pth',
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

# others' top-1 accuracies in %; docs/en/pairs.md names the sources
published_top1 = dict(
    teacher=74.31,
    alone=71.14,
    kd=73.08,
    fitnet=71.06,
    at=72.31,
    rkd=71.82,
    crd=73.48,
    dkd=74.11,
    kd_standardized=74.17,
    dkd_standardized=74.29,
    wttm=74.13,
    mlkd=74.11,
    sp=72.69,
    pkt=72.61,
    vid=72.61,
    nst=71.96,
    cc=71.48,
    catkd=73.62,
    simkd=73.92,
    norm=73.67,
)
