_base_ = [
    '../_base_/pairs/resnet32x4_resnet8x4_1xb64_cifar10.py',
    '../_base_/distillers/reviewkd.py',
]

_base_.reviewkd_distiller.distill_losses.loss_review.loss.update(
    loss_weight=5.0
)

model = dict(distiller=_base_.reviewkd_distiller)
