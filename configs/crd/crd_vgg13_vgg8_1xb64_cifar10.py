_base_ = [
    '../_base_/pairs/vgg13_vgg8_1xb64_cifar10.py',
    '../_base_/distillers/crd.py',
]

model = dict(distiller=_base_.crd_distiller)
