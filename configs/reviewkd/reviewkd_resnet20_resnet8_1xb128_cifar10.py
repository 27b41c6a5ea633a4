_base_ = [
    '../_base_/pairs/resnet20_resnet8_1xb128_cifar10.py',
    '../_base_/distillers/reviewkd.py',
]

# The published 20 of 240 epochs, of this short training. The weight of most
# pairs: none was published for this one, and the 0.6 of ResNet56 -> ResNet20
# is 2 points worse (docs/en/notes/experiments.md).
_base_.reviewkd_distiller.distill_losses.loss_review.update(
    epochs=None, fraction=1 / 12
)
_base_.reviewkd_distiller.distill_losses.loss_review.loss.update(
    loss_weight=5.0
)

model = dict(distiller=_base_.reviewkd_distiller)
