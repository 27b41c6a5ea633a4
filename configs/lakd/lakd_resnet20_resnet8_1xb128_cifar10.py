_base_ = [
    '../dkd/dkd_resnet20_resnet8_1xb128_cifar10.py',
    '../_base_/distillers/lakd.py',
]

model = dict(distiller={{_base_.lakd_distiller}})
