_base_ = [
    '../_base_/pairs/resnet50_mobilenetv1_8xb32_imagenet.py',
    '../_base_/distillers/dkd_imagenet.py',
]

_base_.dkd_distiller.distill_losses.loss_dkd.loss.update(beta=2.0)

model = dict(distiller=_base_.dkd_distiller)
