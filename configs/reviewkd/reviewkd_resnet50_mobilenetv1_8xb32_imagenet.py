_base_ = [
    '../_base_/pairs/resnet50_mobilenetv1_8xb32_imagenet.py',
    '../_base_/distillers/reviewkd_imagenet.py',
]

_base_.reviewkd_distiller.distill_losses.loss_review.loss.update(
    loss_weight=8.0
)
_base_.reviewkd_distiller.connectors.review.update(max_mid_channels=256)

model = dict(distiller=_base_.reviewkd_distiller)
