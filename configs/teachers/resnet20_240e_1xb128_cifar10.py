# The student of ResNet56 -> ResNet20 alone, with that pair's schedule.
_base_ = [
    '../_base_/networks/resnet20.py',
    '../_base_/datasets/cifar10_bs128.py',
    '../_base_/schedules/cifar_240e.py',
    '../_base_/default_runtime.py',
]

_base_.resnet20.head.update(num_classes=10)

model = _base_.resnet20
