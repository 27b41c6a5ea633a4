_base_ = [
    '../_base_/pairs/vgg13_mobilenetv2_1xb64_cifar100.py',
    '../_base_/distillers/rkd.py',
]

model = dict(distiller=_base_.rkd_distiller)
