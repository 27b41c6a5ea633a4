_base_ = [
    '../_base_/pairs/resnet20_resnet8_1xb64_digits.py',
    '../_base_/distillers/crd.py',
]

# so few images have fewer than 16384 of other classes
_base_.crd_distiller.distill_losses.loss_crd.update(
    num_samples=1352, num_negatives=1024
)

model = dict(distiller=_base_.crd_distiller)
