_base_ = [
    '../_base_/pairs/resnet50_mobilenetv1_8xb32_imagenet.py',
    '../_base_/distillers/kd_imagenet.py',
]

model = dict(
    # KD's cross-entropy has a weight of 0.5; every other method's has 1.
    architecture=dict(head=dict(loss=dict(loss_weight=0.5))),
    distiller={{_base_.kd_distiller}},
)
