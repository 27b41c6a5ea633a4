_base_ = [
    '../dkd/dkd_wrn-40-2_shufflenetv1_1xb64_cifar100.py',
    '../_base_/distillers/lakd.py',
]

model = dict(distiller={{_base_.lakd_distiller}})
