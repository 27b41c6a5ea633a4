_base_ = [
    '../_base_/models/cifar_resnet20.py',
    '../_base_/datasets/digits_bs64.py',
    '../_base_/default_runtime.py',
    '../_base_/schedules/digits.py',
]
