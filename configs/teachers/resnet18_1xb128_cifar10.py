_base_ = [
    '../_base_/networks/resnet18.py',
    '../_base_/datasets/cifar10_bs128.py',
    '../_base_/schedules/cifar_240e.py',
    '../_base_/default_runtime.py',
]

# The ResNet-18 that docs/en/user_guides/teachers.md converts has learned from
# images divided by 255 and nothing else.
data_preprocessor = dict(mean=[0.0, 0.0, 0.0], std=[255.0, 255.0, 255.0])
_base_.resnet18.head.update(num_classes=10)

model = _base_.resnet18
