_base_ = [
    '../_base_/pairs/vgg13_vgg8_1xb64_cifar100.py',
    '../_base_/distillers/reviewkd_4stages.py',
]

# The weight of most pairs; none was published for this one.
_base_.reviewkd_distiller.distill_losses.loss_review.loss.update(
    loss_weight=5.0
)

model = dict(distiller=_base_.reviewkd_distiller)
