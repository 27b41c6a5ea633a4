_base_ = [
    '../_base_/networks/resnet32.py',
    '../_base_/datasets/cifar100_bs64.py',
    '../_base_/schedules/cifar_240e_bs64.py',
    '../_base_/default_runtime.py',
]

model = _base_.resnet32
