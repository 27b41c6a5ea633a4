# Teacher, student, data and schedule: all that the methods of this pair share,
# and what the literature says of the pair.
_base_ = [
    '../networks/resnet32x4.py',
    '../networks/resnet8x4.py',
    '../datasets/cifar100_bs64.py',
    '../schedules/cifar_240e_bs64.py',
    '../default_runtime.py',
]

model = dict(
    _scope_='mmrazor',
    type='FrozenTeacherDistill',
    teacher=_base_.resnet32x4,
    architecture=_base_.resnet8x4,
    teacher_ckpt='work_dirs/resnet32x4_1xb64_cifar100/epoch_240.pth',
)

# on top of configs/_base_/distillers
method_settings = dict(
    dkd_distiller=dict(
        distill_losses=dict(loss_dkd=dict(loss=dict(beta=8.0)))
    ),
    reviewkd_distiller=dict(
        distill_losses=dict(loss_review=dict(loss=dict(loss_weight=5.0)))
    ),
    wttm_distiller=dict(
        distill_losses=dict(loss_wttm=dict(gamma=0.1, loss_weight=3.0))
    ),
    catkd_distiller=dict(distill_losses=dict(loss_cat=dict(loss_weight=15.0))),
    fcfd_distiller=dict(
        feature_loss=dict(loss=dict(loss_weight=5.0)),
    ),
)

# others' top-1 accuracies in %; docs/en/pairs.md names the sources
published_top1 = dict(
    teacher=79.42,
    alone=72.5,
    kd=73.33,
    fitnet=73.5,
    at=73.44,
    rkd=71.9,
    crd=75.51,
    reviewkd=75.63,
    dkd=76.32,
    dist=75.79,
    kd_standardized=76.62,
    dkd_standardized=77.01,
    wttm=76.06,
    mlkd=77.08,
    sp=72.94,
    pkt=73.64,
    srrl=75.39,
    vid=73.09,
    nst=73.3,
    cc=72.97,
    wkd_l=76.53,
    wkd_f=76.77,
    catkd=76.91,
    simkd=78.08,
    norm=76.49,
)
