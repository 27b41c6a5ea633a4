_base_ = [
    '../_base_/networks/vgg13.py',
    '../_base_/datasets/cifar10_bs64.py',
    '../_base_/schedules/cifar_240e_bs64.py',
    '../_base_/default_runtime.py',
]

_base_.vgg13.head.update(num_classes=10)

model = _base_.vgg13
