# Teacher, student, data and schedule: all that the methods of this pair share,
# and what the literature says of the pair.
_base_ = [
    '../networks/vgg13.py',
    '../networks/vgg8.py',
    '../datasets/cifar100_bs64.py',
    '../schedules/cifar_240e_bs64.py',
    '../default_runtime.py',
]

model = dict(
    _scope_='mmrazor',
    type='FrozenTeacherDistill',
    teacher=_base_.vgg13,
    architecture=_base_.vgg8,
    teacher_ckpt='work_dirs/vgg13_1xb64_cifar100/epoch_240.pth',
)

# on top of configs/_base_/distillers
method_settings = dict(
    dkd_distiller=dict(
        distill_losses=dict(loss_dkd=dict(loss=dict(beta=6.0)))
    ),
    dkd_standardized_distiller=dict(
        distill_losses=dict(
            loss_dkd=dict(loss=dict(beta=2.0, loss_weight=15.0))
        )
    ),
    kd_standardized_distiller=dict(distill_losses=dict(loss_kd=dict(tau=3.0))),
    # the weight of most pairs; none was published for this one
    reviewkd_distiller=dict(
        distill_losses=dict(loss_review=dict(loss=dict(loss_weight=5.0)))
    ),
    wttm_distiller=dict(
        distill_losses=dict(loss_wttm=dict(gamma=0.1, loss_weight=2.25))
    ),
    catkd_distiller=dict(distill_losses=dict(loss_cat=dict(loss_weight=4.5))),
    fcfd_distiller=dict(
        maps='preact',
        feature_loss=dict(loss=dict(loss_weight=5.0)),
    ),
)

# others' top-1 accuracies in %; docs/en/pairs.md names the sources
published_top1 = dict(
    teacher=74.64,
    alone=70.36,
    kd=72.98,
    fitnet=71.02,
    at=71.43,
    rkd=71.48,
    crd=73.94,
    dkd=74.68,
    kd_standardized=74.36,
    dkd_standardized=74.81,
    wttm=74.44,
    mlkd=75.18,
    sp=72.68,
    pkt=72.88,
    vid=71.23,
    nst=71.53,
    cc=70.71,
    catkd=74.65,
    simkd=74.89,
    norm=73.95,
)
