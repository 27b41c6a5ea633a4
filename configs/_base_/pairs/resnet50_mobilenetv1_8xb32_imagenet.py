# Teacher, student, data and schedule: all that the methods of this pair share,
# and what the literature says of the pair.
_base_ = [
    '../networks/resnet50_imagenet.py',
    '../networks/mobilenetv1_imagenet.py',
    'mmpretrain::_base_/datasets/imagenet_bs32.py',
    '../schedules/imagenet_100e.py',
    '../default_runtime.py',
]

model = dict(
    _scope_='mmrazor',
    type='FrozenTeacherDistill',
    teacher=_base_.resnet50,
    architecture=_base_.mobilenetv1,
    # mmpretrain's own, downloaded on first use; 76.55 top-1 as published
    teacher_ckpt='https://download.openmmlab.com/mmclassification/v0/resnet/'
    'resnet50_8xb32_in1k_20210831-ea4938fc.pth',
)

# on top of configs/_base_/distillers
method_settings = dict(
    dkd_distiller=dict(
        distill_losses=dict(loss_dkd=dict(loss=dict(beta=2.0)))
    ),
    kd_standardized_architecture=dict(head=dict(loss=dict(loss_weight=0.5))),
    reviewkd_distiller=dict(
        connectors=dict(review=dict(max_mid_channels=256)),
        distill_losses=dict(loss_review=dict(loss=dict(loss_weight=8.0))),
    ),
    kd_scales_distiller=dict(
        distill_losses=dict(loss_kd=dict(scales=(1, 2, 4)))
    ),
    dkd_scales_distiller=dict(
        distill_losses=dict(loss_dkd=dict(loss=dict(scales=(1, 2, 4))))
    ),
    rld_distiller=dict(
        distill_losses=dict(loss_rld=dict(loss=dict(beta=2.0)))
    ),
    wkd_l_distiller=dict(
        distill_losses=dict(loss_wkd=dict(sharpen=2.0, loss_weight=25.0))
    ),
    wkd_f_distiller=dict(
        distill_losses=dict(loss_wkd=dict(decay_from=0.3, loss_weight=0.005))
    ),
    wttm_distiller=dict(
        distill_losses=dict(loss_wttm=dict(gamma=0.7, loss_weight=3.5))
    ),
    catkd_distiller=dict(
        distill_losses=dict(loss_cat=dict(normalize=True, loss_weight=10.0))
    ),
    norm_architecture=dict(head=dict(loss=dict(loss_weight=0.125))),
    fcfd_distiller=dict(
        feature_loss=dict(loss=dict(loss_weight=5.0)),
    ),
)

# others' top-1 accuracies in %; docs/en/pairs.md names the sources
published_top1 = dict(
    teacher=76.16,
    alone=68.87,
    kd=70.5,
    crd=71.37,
    reviewkd=72.56,
    dkd=72.05,
    kd_standardized=72.18,
    dkd_standardized=72.85,
    wttm=73.09,
    srrl=72.49,
    kd_scales=72.24,
    dkd_scales=73.08,
    wkd_l=73.17,
    wkd_f=73.12,
    catkd=72.24,
    simkd=72.25,
    norm=74.26,
)
