# Logits KD as the literature trains it on ImageNet: T 1, cross-entropy 0.5,
# KD 0.5.
_base_ = './kd.py'

kd_distiller = dict(
    distill_losses=dict(loss_kd=dict(tau=1.0, loss_weight=0.5))
)
