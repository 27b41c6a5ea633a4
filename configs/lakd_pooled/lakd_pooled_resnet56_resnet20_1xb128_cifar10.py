_base_ = [
    '../_base_/pairs/resnet56_resnet20_1xb128_cifar10.py',
    '../_base_/distillers/lakd.py',
    '../_base_/distillers/lakd_pooled.py',
]

model = dict(
    distiller=dict(**_base_.lakd_distiller, **_base_.lakd_pooled_distiller)
)
