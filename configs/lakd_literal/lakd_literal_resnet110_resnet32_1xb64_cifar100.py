_base_ = [
    '../_base_/pairs/resnet110_resnet32_1xb64_cifar100.py',
    '../_base_/distillers/lakd_literal.py',
]

model = dict(distiller=_base_.lakd_literal_distiller)
