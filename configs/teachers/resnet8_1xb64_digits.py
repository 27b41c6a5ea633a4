_base_ = [
    '../_base_/networks/resnet8.py',
    '../_base_/datasets/digits_bs64.py',
    '../_base_/schedules/digits.py',
    '../_base_/default_runtime.py',
]

_base_.resnet8.head.update(num_classes=10)

model = _base_.resnet8
