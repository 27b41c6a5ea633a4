_base_ = [
    '../_base_/pairs/vgg13_mobilenetv2_1xb64_cifar100.py',
    '../_base_/distillers/dkd.py',
]

_base_.dkd_distiller.distill_losses.loss_dkd.loss.update(beta=6.0)

model = dict(distiller=_base_.dkd_distiller)
