# Teacher, student, data and schedule: all that the methods of this pair share,
# and what the literature says of the pair.
_base_ = [
    '../networks/vgg13.py',
    '../networks/mobilenetv2.py',
    '../datasets/cifar100_bs64.py',
    '../schedules/cifar_240e_bs64_light.py',
    '../default_runtime.py',
]

model = dict(
    _scope_='mmrazor',
    type='FrozenTeacherDistill',
    teacher=_base_.vgg13,
    architecture=_base_.mobilenetv2,
    teacher_ckpt='work_dirs/vgg13_1xb64_cifar100/epoch_240.pth',
)

# on top of configs/_base_/distillers
method_settings = dict(
    dkd_distiller=dict(
        distill_losses=dict(loss_dkd=dict(loss=dict(beta=6.0)))
    ),
    dkd_standardized_distiller=dict(
        distill_losses=dict(loss_dkd=dict(loss=dict(tau=3.0, beta=2.0)))
    ),
    kd_standardized_distiller=dict(distill_losses=dict(loss_kd=dict(tau=3.0))),
    # the weight of most pairs; none was published for this one
    reviewkd_distiller=dict(
        distill_losses=dict(loss_review=dict(loss=dict(loss_weight=5.0)))
    ),
    kd_scales_distiller=dict(
        distill_losses=dict(loss_kd=dict(scales=(1, 2, 4)))
    ),
    dkd_scales_distiller=dict(
        distill_losses=dict(loss_dkd=dict(loss=dict(scales=(1, 2, 4))))
    ),
    wttm_distiller=dict(
        distill_losses=dict(loss_wttm=dict(gamma=0.2, loss_weight=3.0))
    ),
    catkd_distiller=dict(
        distill_losses=dict(loss_cat=dict(normalize=True, loss_weight=15.0))
    ),
    fcfd_distiller=dict(
        maps='preact',
        feature_loss=dict(loss=dict(loss_weight=5.0)),
    ),
)

# others' top-1 accuracies in %; docs/en/pairs.md names the sources
published_top1 = dict(
    teacher=74.64,
    alone=64.6,
    kd=67.37,
    fitnet=64.14,
    at=59.4,
    rkd=64.52,
    crd=69.73,
    dkd=69.71,
    kd_standardized=68.61,
    dkd_standardized=69.98,
    wttm=69.16,
    mlkd=70.57,
    sp=66.3,
    pkt=67.13,
    vid=65.56,
    nst=58.16,
    cc=64.86,
    kd_scales=68.79,
    dkd_scales=70.25,
    catkd=69.13,
    simkd=69.44,
    norm=68.94,
)
