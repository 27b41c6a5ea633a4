# ImageNet, with torchvision's teachers.
_base_ = ['./_base_/methods.py']

title = 'ImageNet'
pairs = [
    'resnet34_resnet18_8xb32_imagenet',
    'resnet50_mobilenetv1_8xb32_imagenet',
]
seeds = [0]
