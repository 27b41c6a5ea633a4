# DKD on ImageNet: T 1 and a warm-up of one epoch; beta 0.5 for ResNet34 ->
# ResNet18 (mdistiller, configs/imagenet/r34_r18/dkd.yaml).
_base_ = './dkd.py'

dkd_distiller = dict(
    distill_losses=dict(loss_dkd=dict(epochs=1, loss=dict(tau=1.0, beta=0.5)))
)
