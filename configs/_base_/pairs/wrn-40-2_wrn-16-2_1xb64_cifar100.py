# Teacher, student, data and schedule: all that the methods of this pair share,
# and what the literature says of the pair.
_base_ = [
    '../networks/wrn-40-2.py',
    '../networks/wrn-16-2.py',
    '../datasets/cifar100_bs64.py',
    '../schedules/cifar_240e_bs64.py',
    '../default_runtime.py',
]

model = dict(
    _scope_='mmrazor',
    type='FrozenTeacherDistill',
    teacher=_base_.wrn_40_2,
    architecture=_base_.wrn_16_2,
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
        distill_losses=dict(loss_wttm=dict(gamma=0.1, loss_weight=4.0))
    ),
    catkd_distiller=dict(distill_losses=dict(loss_cat=dict(loss_weight=12.0))),
    fcfd_distiller=dict(
        maps='preact',
        feature_loss=dict(loss=dict(loss_weight=5.0)),
        logits_loss=dict(loss_weight=0.2),
    ),
)

# others' top-1 accuracies in %; docs/en/pairs.md names the sources
published_top1 = dict(
    teacher=75.61,
    alone=73.26,
    kd=74.92,
    fitnet=73.58,
    at=74.08,
    rkd=73.35,
    crd=75.48,
    dkd=76.23,
    kd_standardized=76.11,
    dkd_standardized=76.39,
    wttm=76.37,
    mlkd=76.63,
    sp=73.83,
    pkt=74.54,
    vid=74.11,
    nst=73.68,
    cc=73.56,
    catkd=75.6,
    simkd=75.53,
    norm=75.65,
)
