_base_ = [
    '../_base_/networks/resnet8x4.py',
    '../_base_/datasets/cifar10_bs64.py',
    '../_base_/schedules/cifar_240e_bs64.py',
    '../_base_/default_runtime.py',
]

_base_.resnet8x4.head.update(num_classes=10)

model = _base_.resnet8x4
