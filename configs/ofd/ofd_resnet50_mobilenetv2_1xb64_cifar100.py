_base_ = [
    '../_base_/pairs/resnet50_mobilenetv2_1xb64_cifar100.py',
    '../_base_/distillers/ofd_4stages.py',
]

model = dict(distiller=_base_.ofd_distiller)
