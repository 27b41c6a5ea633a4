_base_ = [
    '../_base_/pairs/resnet20_resnet8_1xb64_digits.py',
    '../_base_/distillers/reviewkd.py',
]

# The published 20 of 240 epochs, of this short training.
_base_.reviewkd_distiller.distill_losses.loss_review.update(
    epochs=None, fraction=1 / 12
)

model = dict(distiller=_base_.reviewkd_distiller)
