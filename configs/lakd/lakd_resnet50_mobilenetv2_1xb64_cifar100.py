_base_ = [
    '../_base_/pairs/resnet50_mobilenetv2_1xb64_cifar100.py',
    '../_base_/distillers/lakd_4stages.py',
]

model = dict(
    # the other half of the cross-entropy is with the teacher's answers
    architecture=dict(head=dict(loss=dict(loss_weight=0.5))),
    distiller=_base_.lakd_distiller,
)
