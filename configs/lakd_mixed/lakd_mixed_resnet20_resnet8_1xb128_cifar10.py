_base_ = [
    '../lakd/lakd_resnet20_resnet8_1xb128_cifar10.py',
    '../_base_/distillers/lakd_mixed.py',
]

model = dict(distiller={{_base_.lakd_mixed_distiller}})
