_base_ = [
    '../_base_/pairs/resnet110_resnet32_1xb64_cifar100.py',
    '../_base_/distillers/lakd.py',
]

model = dict(distiller=_base_.lakd_distiller)
