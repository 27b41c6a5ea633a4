_base_ = [
    '../_base_/models/cifar_resnet20.py',
    '../_base_/datasets/cifar10_bs128.py',
    '../_base_/schedules/cifar_240e.py',
    '../_base_/default_runtime.py',
]

# The ResNet-18 that docs/en/user_guides/teachers.md converts has learned from
# images divided by 255 and nothing else.
data_preprocessor = dict(mean=[0.0, 0.0, 0.0], std=[255.0, 255.0, 255.0])
model = dict(
    backbone=dict(
        _delete_=True,
        type='TappedResNet_CIFAR',
        depth=18,
        zero_init_residual=False,
    ),
    head=dict(in_channels=512),
)
