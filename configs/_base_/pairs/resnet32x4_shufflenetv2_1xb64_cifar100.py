# Teacher, student, data and schedule: all that the methods of this pair share,
# and what the literature says of the pair.
_base_ = [
    '../networks/resnet32x4.py',
    '../networks/shufflenetv2.py',
    '../datasets/cifar100_bs64.py',
    '../schedules/cifar_240e_bs64_light.py',
    '../default_runtime.py',
]

model = dict(
    _scope_='mmrazor',
    type='FrozenTeacherDistill',
    teacher=_base_.resnet32x4,
    architecture=_base_.shufflenetv2,
    teacher_ckpt='work_dirs/resnet32x4_1xb64_cifar100/epoch_240.pth',
)

# on top of configs/_base_/distillers
method_settings = dict(
    dkd_distiller=dict(
        distill_losses=dict(loss_dkd=dict(loss=dict(beta=8.0)))
    ),
    reviewkd_distiller=dict(
        distill_losses=dict(loss_review=dict(loss=dict(loss_weight=8.0)))
    ),
    kd_scales_distiller=dict(
        distill_losses=dict(loss_kd=dict(scales=(1, 2, 4)))
    ),
    dkd_scales_distiller=dict(
        distill_losses=dict(loss_dkd=dict(loss=dict(scales=(1, 2, 4))))
    ),
    wttm_distiller=dict(
        distill_losses=dict(loss_wttm=dict(gamma=0.4, loss_weight=16.0))
    ),
    catkd_distiller=dict(
        distill_losses=dict(
            loss_cat=dict(resolution=4, normalize=True, loss_weight=600.0)
        )
    ),
    fcfd_distiller=dict(
        feature_loss=dict(loss=dict(loss_weight=5.0)),
        logits_loss=dict(tau=8.0),
        distill_losses=dict(loss_kd=dict(tau=8.0)),
    ),
)

# others' top-1 accuracies in %; docs/en/pairs.md names the sources
published_top1 = dict(
    teacher=79.42,
    alone=71.82,
    kd=74.45,
    fitnet=73.54,
    at=72.73,
    rkd=73.21,
    crd=75.65,
    reviewkd=77.78,
    dkd=77.07,
    dist=76.08,
    kd_standardized=75.56,
    dkd_standardized=77.37,
    wttm=76.55,
    mlkd=78.44,
    sp=74.56,
    pkt=74.69,
    vid=73.4,
    nst=74.68,
    cc=71.29,
    kd_scales=76.67,
    dkd_scales=78.05,
    catkd=78.41,
    simkd=78.39,
    norm=78.07,
)
