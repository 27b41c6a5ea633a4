_base_ = [
    '../_base_/models/cifar_resnet20.py',
    '../_base_/datasets/cifar10_bs128.py',
    '../_base_/schedules/cifar_short.py',
    '../_base_/default_runtime.py',
]

model = dict(backbone=dict(depth=8))
