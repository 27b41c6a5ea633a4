# Teacher, student, data and schedule: all that the methods of this pair share,
# and what the literature says of the pair.
_base_ = [
    '../networks/wrn-40-2.py',
    '../networks/shufflenetv1.py',
    '../datasets/cifar100_bs64.py',
    '../schedules/cifar_240e_bs64_light.py',
    '../default_runtime.py',
]

model = dict(
    _scope_='mmrazor',
    type='FrozenTeacherDistill',
    teacher=_base_.wrn_40_2,
    architecture=_base_.shufflenetv1,
    teacher_ckpt='work_dirs/wrn-40-2_1xb64_cifar100/epoch_240.pth',
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
    wkd_l_distiller=dict(
        distill_losses=dict(loss_wkd=dict(tau=6.0, loss_weight=200.0))
    ),
    wkd_f_distiller=dict(
        distill_losses=dict(
            loss_wkd=dict(mean_weight=3.0, grid=4, loss_weight=0.3)
        )
    ),
    wttm_distiller=dict(
        distill_losses=dict(loss_wttm=dict(gamma=0.3, loss_weight=3.0))
    ),
    catkd_distiller=dict(
        distill_losses=dict(
            loss_cat=dict(resolution=4, normalize=True, loss_weight=80.0)
        )
    ),
    fcfd_distiller=dict(
        maps='preact',
        feature_loss=dict(loss=dict(loss_weight=5.0)),
    ),
)

# others' top-1 accuracies in %; docs/en/pairs.md names the sources
published_top1 = dict(
    teacher=75.61,
    alone=70.5,
    kd=74.83,
    fitnet=73.73,
    at=73.32,
    rkd=72.21,
    crd=76.05,
    dkd=76.7,
    wttm=75.42,
    sp=74.52,
    pkt=73.89,
    vid=73.61,
    nst=74.89,
    cc=71.38,
    kd_scales=76.65,
    dkd_scales=77.21,
    wkd_l=76.72,
    wkd_f=77.36,
    norm=77.06,
)
