_base_ = [
    '../_base_/pairs/resnet56_resnet20_1xb128_cifar10.py',
    '../_base_/distillers/lakd_ofd.py',
]

model = dict(distiller=_base_.lakd_ofd_distiller)
