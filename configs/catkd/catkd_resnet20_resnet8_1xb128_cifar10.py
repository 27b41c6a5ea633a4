_base_ = [
    '../_base_/pairs/resnet20_resnet8_1xb128_cifar10.py',
    '../_base_/distillers/catkd.py',
]

model = dict(distiller=_base_.catkd_distiller)
