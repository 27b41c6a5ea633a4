_base_ = [
    '../dkd/dkd_wrn-40-2_wrn-40-1_1xb64_cifar10.py',
    '../_base_/distillers/lakd.py',
]

model = dict(distiller={{_base_.lakd_distiller}})
