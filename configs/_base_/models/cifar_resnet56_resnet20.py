# Teacher ResNet56, student ResNet20.
_base_ = ['./cifar_resnet20_resnet8.py']

model = dict(
    teacher=dict(backbone=dict(depth=56)),
    architecture=dict(backbone=dict(depth=20)),
)
