_base_ = [
    '../_base_/pairs/vgg13_vgg8_1xb64_cifar100.py',
    '../_base_/distillers/kd.py',
]

model = dict(
    # KD's cross-entropy has a weight of 0.1; every other method's has 1.
    architecture=dict(head=dict(loss=dict(loss_weight=0.1))),
    distiller={{_base_.kd_distiller}},
)
