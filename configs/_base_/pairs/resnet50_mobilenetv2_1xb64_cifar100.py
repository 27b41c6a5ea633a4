# Teacher, student, data and schedule: all that the methods of this pair share,
# and what the literature says of the pair.
_base_ = [
    '../networks/resnet50.py',
    '../networks/mobilenetv2.py',
    '../datasets/cifar100_bs64.py',
    '../schedules/cifar_240e_bs64_light.py',
    '../default_runtime.py',
]

model = dict(
    _scope_='mmrazor',
    type='FrozenTeacherDistill',
    teacher=_base_.resnet50,
    architecture=_base_.mobilenetv2,
    teacher_ckpt='work_dirs/resnet50_1xb64_cifar100/epoch_240.pth',
)

# on top of configs/_base_/distillers
method_settings = dict(
    dkd_distiller=dict(
        distill_losses=dict(loss_dkd=dict(loss=dict(beta=8.0)))
    ),
    dkd_standardized_distiller=dict(
        distill_losses=dict(
            loss_dkd=dict(loss=dict(beta=2.0, loss_weight=15.0))
        )
    ),
    kd_standardized_distiller=dict(
        distill_losses=dict(loss_kd=dict(tau=3.0, loss_weight=1.0))
    ),
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
        distill_losses=dict(loss_wttm=dict(gamma=0.2, loss_weight=5.0))
    ),
    catkd_distiller=dict(
        distill_losses=dict(loss_cat=dict(normalize=True, loss_weight=40.0))
    ),
    fcfd_distiller=dict(
        feature_loss=dict(loss=dict(loss_weight=5.0)),
        logits_loss=dict(tau=8.0),
        distill_losses=dict(loss_kd=dict(tau=8.0)),
    ),
)

# others' top-1 accuracies in %; docs/en/pairs.md names the sources
published_top1 = dict(
    teacher=79.34,
    alone=64.6,
    kd=67.35,
    fitnet=63.16,
    at=58.58,
    rkd=64.43,
    crd=69.11,
    reviewkd=69.89,
    dkd=70.35,
    dist=69.17,
    kd_standardized=69.02,
    dkd_standardized=70.45,
    wttm=69.59,
    mlkd=71.04,
    sp=68.08,
    pkt=66.52,
    vid=67.57,
    nst=64.96,
    cc=65.43,
    kd_scales=69.55,
    dkd_scales=71.36,
    catkd=71.36,
    simkd=69.97,
    norm=70.56,
)
