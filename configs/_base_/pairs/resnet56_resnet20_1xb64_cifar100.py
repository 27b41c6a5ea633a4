# Teacher, student, data and schedule: all that the methods of this pair share,
# and what the literature says of the pair.
_base_ = [
    '../networks/resnet56.py',
    '../networks/resnet20.py',
    '../datasets/cifar100_bs64.py',
    '../schedules/cifar_240e_bs64.py',
    '../default_runtime.py',
]

model = dict(
    _scope_='mmrazor',
    type='FrozenTeacherDistill',
    teacher=_base_.resnet56,
    architecture=_base_.resnet20,
    teacher_ckpt='work_dirs/resnet56_1xb64_cifar100/epoch_240.pth',
)

# on top of configs/_base_/distillers
method_settings = dict(
    dkd_standardized_distiller=dict(
        distill_losses=dict(
            loss_dkd=dict(loss=dict(tau=3.0, loss_weight=18.0))
        )
    ),
)

# others' top-1 accuracies in %; docs/en/pairs.md names the sources
published_top1 = dict(
    teacher=72.34,
    alone=69.06,
    kd=70.66,
    fitnet=69.21,
    at=70.55,
    rkd=69.61,
    crd=71.16,
    reviewkd=71.89,
    dkd=71.97,
    dist=71.78,
    kd_standardized=71.43,
    dkd_standardized=72.32,
    wttm=71.92,
    mlkd=72.19,
    sp=69.67,
    pkt=70.34,
    vid=70.38,
    nst=69.6,
    cc=69.63,
    catkd=71.62,
    simkd=71.05,
    norm=71.35,
)
