# Teacher, student, data and schedule: all that the methods of this pair share,
# and what the literature says of the pair.
_base_ = [
    '../networks/resnet32x4.py',
    '../networks/shufflenetv1.py',
    '../datasets/cifar100_bs64.py',
    '../schedules/cifar_240e_bs64_light.py',
    '../default_runtime.py',
]

model = dict(
    _scope_='mmrazor',
    type='FrozenTeacherDistill',
    teacher=_base_.resnet32x4,
    architecture=_base_.shufflenetv1,
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
    kd_scales_distiller=dict(
        distill_losses=dict(loss_kd=dict(scales=(1, 2, 4)))
    ),
    dkd_scales_distiller=dict(
        distill_losses=dict(loss_dkd=dict(loss=dict(scales=(1, 2, 4))))
    ),
    wttm_distiller=dict(
        distill_losses=dict(loss_wttm=dict(gamma=0.2, loss_weight=1.4))
    ),
    catkd_distiller=dict(
        distill_losses=dict(
            loss_cat=dict(resolution=4, normalize=True, loss_weight=600.0)
        )
    ),
    fcfd_distiller=dict(
        maps=dict(student='preact', teacher='output'),
        feature_loss=dict(loss=dict(loss_weight=5.0)),
        logits_loss=dict(tau=8.0),
        distill_losses=dict(loss_kd=dict(tau=8.0)),
    ),
)

# others' top-1 accuracies in %; docs/en/pairs.md names the sources
published_top1 = dict(
    teacher=79.42,
    alone=70.5,
    kd=74.07,
    fitnet=73.59,
    at=71.73,
    rkd=72.28,
    crd=75.11,
    reviewkd=77.45,
    dkd=76.45,
    dist=75.23,
    wttm=74.37,
    sp=73.48,
    pkt=74.1,
    srrl=75.18,
    vid=73.38,
    nst=74.12,
    cc=71.14,
    kd_scales=76.3,
    dkd_scales=77.3,
    norm=77.42,
)
