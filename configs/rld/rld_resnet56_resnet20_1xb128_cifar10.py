_base_ = [
    '../_base_/pairs/resnet56_resnet20_1xb128_cifar10.py',
    '../_base_/distillers/rld.py',
]

model = dict(distiller=_base_.rld_distiller)
