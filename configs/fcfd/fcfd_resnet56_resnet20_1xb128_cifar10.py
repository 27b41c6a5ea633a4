_base_ = [
    '../_base_/pairs/resnet56_resnet20_1xb128_cifar10.py',
    '../_base_/distillers/fcfd.py',
]

model = dict(distiller=_base_.fcfd_distiller)
