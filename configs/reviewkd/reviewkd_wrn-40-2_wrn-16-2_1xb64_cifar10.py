_base_ = [
    '../_base_/pairs/wrn-40-2_wrn-16-2_1xb64_cifar10.py',
    '../_base_/distillers/reviewkd_wrn.py',
]

_base_.reviewkd_distiller.distill_losses.loss_review.loss.update(
    loss_weight=5.0
)

model = dict(distiller=_base_.reviewkd_distiller)
