_base_ = [
    '../dkd/dkd_vgg13_vgg8_1xb64_cifar10.py',
    '../_base_/distillers/lakd_vgg.py',
]

model = dict(distiller={{_base_.lakd_distiller}})
