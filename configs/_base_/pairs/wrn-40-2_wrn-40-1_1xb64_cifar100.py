# Teacher, student, data and schedule: all that the methods of this pair share,
# and what the literature says of the pair.
_base_ = [
    '../networks/wrn-40-2.py',
    '../networks/wrn-40-1.py',
    '../datasets/cifar100_bs64.py',
    '../schedules/cifar_240e_bs64.py',
    '../default_runtime.py',
]

model = dict(
    _scope_='mmrazor',
    type='FrozenTeacherDistill',
    teacher=_base_.wrn_40_2,
    architecture=_base_.wrn_40_1,
    teacher_ckpt='work_dirs/wrn-40-2_1xb64_cifar100/epoch_240.pth',
)

# on top of configs/_base_/distillers
method_settings = dict(
    dkd_distiller=dict(
        distill_losses=dict(loss_dkd=dict(loss=dict(beta=6.0)))
    ),
    dkd_standardized_distiller=dict(
        distill_losses=dict(
            loss_dkd=dict(loss=dict(beta=2.0, loss_weight=12.0))
        )
    ),
    reviewkd_distiller=dict(
        distill_losses=dict(loss_review=dict(loss=dict(loss_weight=5.0)))
    ),
    wttm_distiller=dict(
        distill_losses=dict(loss_wttm=dict(gamma=0.1, loss_weight=3.0))
    ),
    catkd_distiller=dict(distill_losses=dict(loss_cat=dict(loss_weight=1.5))),
    fcfd_distiller=dict(
        maps='preact',
        feature_loss=dict(loss=dict(loss_weight=5.0)),
    ),
)

# others' top-1 accuracies in %; docs/en/pairs.md names the sources
published_top1 = dict(
    teacher=75.61,
    alone=71.98,
    kd=73.54,
    fitnet=72.24,
    at=72.77,
    rkd=72.22,
    crd=74.14,
    reviewkd=75.09,
    dkd=74.81,
    dist=74.42,
    kd_standardized=74.37,
    dkd_standardized=74.89,
    wttm=74.58,
    mlkd=75.35,
    sp=72.43,
    pkt=73.45,
    srrl=74.64,
    vid=73.3,
    nst=72.24,
    cc=72.21,
    catkd=74.82,
    simkd=74.53,
    norm=74.82,
)
