_base_ = [
    '../_base_/pairs/resnet110_resnet32_1xb64_cifar100.py',
    '../_base_/distillers/rkd.py',
]

model = dict(distiller=_base_.rkd_distiller)
