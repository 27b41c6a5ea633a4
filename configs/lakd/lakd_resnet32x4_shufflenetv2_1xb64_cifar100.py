_base_ = [
    '../dkd/dkd_resnet32x4_shufflenetv2_1xb64_cifar100.py',
    '../_base_/distillers/lakd.py',
]

model = dict(distiller={{_base_.lakd_distiller}})
