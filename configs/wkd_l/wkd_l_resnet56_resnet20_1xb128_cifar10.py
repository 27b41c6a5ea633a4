_base_ = [
    '../_base_/pairs/resnet56_resnet20_1xb128_cifar10.py',
    '../_base_/distillers/wkd_l.py',
]

model = dict(distiller=_base_.wkd_l_distiller)
