# OFD on ImageNet: a tenth of CIFAR's weight (the authors' code,
# github.com/clovaai/overhaul-distillation, and mdistiller).
_base_ = './ofd_4stages.py'

ofd_distiller = dict(
    distill_losses=dict(
        loss_ofd1=dict(loss_weight=0.0125),
        loss_ofd2=dict(loss_weight=0.025),
        loss_ofd3=dict(loss_weight=0.05),
        loss_ofd4=dict(loss_weight=0.1),
    ),
    input_size=224,
)
