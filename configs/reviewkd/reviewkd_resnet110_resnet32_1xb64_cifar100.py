_base_ = [
    '../_base_/pairs/resnet110_resnet32_1xb64_cifar100.py',
    '../_base_/distillers/reviewkd.py',
]

_base_.reviewkd_distiller.distill_losses.loss_review.loss.update(
    loss_weight=1.0
)

model = dict(distiller=_base_.reviewkd_distiller)
