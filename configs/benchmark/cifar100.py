# The literature's pairs, with its recipe and its published figures beside.
_base_ = ['./_base_/methods.py']

title = 'CIFAR-100, the pairs of the literature'
pairs = [
    'resnet56_resnet20_1xb64_cifar100',
    'resnet110_resnet32_1xb64_cifar100',
    'resnet32x4_resnet8x4_1xb64_cifar100',
    'wrn-40-2_wrn-16-2_1xb64_cifar100',
    'wrn-40-2_wrn-40-1_1xb64_cifar100',
    'vgg13_vgg8_1xb64_cifar100',
    'resnet32x4_shufflenetv1_1xb64_cifar100',
    'resnet32x4_shufflenetv2_1xb64_cifar100',
    'resnet50_mobilenetv2_1xb64_cifar100',
    'vgg13_mobilenetv2_1xb64_cifar100',
    'wrn-40-2_shufflenetv1_1xb64_cifar100',
]
