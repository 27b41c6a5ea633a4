_base_ = [
    '../_base_/pairs/resnet50_mobilenetv1_8xb32_imagenet.py',
    '../_base_/distillers/lakd_imagenet.py',
]

model = dict(
    # the other half of the cross-entropy is with the teacher's answers
    architecture=dict(head=dict(loss=dict(loss_weight=0.5))),
    distiller=_base_.lakd_distiller,
)
