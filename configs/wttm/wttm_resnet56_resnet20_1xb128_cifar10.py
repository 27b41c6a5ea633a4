_base_ = [
    '../_base_/pairs/resnet56_resnet20_1xb128_cifar10.py',
    '../_base_/distillers/wttm.py',
]

model = dict(distiller=_base_.wttm_distiller)
