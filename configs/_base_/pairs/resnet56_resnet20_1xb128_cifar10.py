# Teacher, student, data and schedule: all that the methods of this pair share,
# and what the literature says of the pair.
_base_ = [
    '../networks/resnet56.py',
    '../networks/resnet20.py',
    '../datasets/cifar10_bs128.py',
    '../schedules/cifar_240e.py',
    '../default_runtime.py',
]

_base_.resnet56.head.update(num_classes=10)
_base_.resnet20.head.update(num_classes=10)

model = dict(
    _scope_='mmrazor',
    type='FrozenTeacherDistill',
    teacher=_base_.resnet56,
    architecture=_base_.resnet20,
    teacher_ckpt='work_dirs/resnet56_1xb128_cifar10/epoch_240.pth',
)

# on top of configs/_base_/distillers
method_settings = dict(
    # Published for 64 images and 100 classes: grows with N^2 / K. With 1.0
    # the class term is nearly all of the loss, and nothing is learned.
    mlkd_distiller=dict(
        distill_losses=dict(loss_mlkd=dict(class_weight=0.025))
    ),
    # Published for 64 images: a mean over pairs, which falls as 1 / N.
    pkt_distiller=dict(
        distill_losses=dict(loss_pkt=dict(loss_weight=60000.0))
    ),
    sp_distiller=dict(distill_losses=dict(loss_sp=dict(loss_weight=6000.0))),
    dkd_standardized_distiller=dict(
        distill_losses=dict(
            loss_dkd=dict(loss=dict(tau=3.0, loss_weight=18.0))
        )
    ),
)
