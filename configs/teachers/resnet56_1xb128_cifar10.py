_base_ = [
    '../_base_/networks/resnet56.py',
    '../_base_/datasets/cifar10_bs128.py',
    '../_base_/schedules/cifar_240e.py',
    '../_base_/default_runtime.py',
]

_base_.resnet56.head.update(num_classes=10)

model = _base_.resnet56
