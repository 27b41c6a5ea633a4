_base_ = [
    '../dkd/dkd_resnet32x4_resnet8x4_1xb64_cifar10.py',
    '../_base_/distillers/lakd.py',
]

model = dict(distiller={{_base_.lakd_distiller}})
