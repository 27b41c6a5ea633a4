_base_ = [
    '../_base_/pairs/resnet56_resnet20_1xb128_cifar10.py',
    '../_base_/distillers/blockwise.py',
]

model = dict(
    architecture=_base_.blockwise_architecture,
    distiller=_base_.blockwise_distiller,
)
