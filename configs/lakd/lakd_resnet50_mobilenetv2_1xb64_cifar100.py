_base_ = [
    '../dkd/dkd_resnet50_mobilenetv2_1xb64_cifar100.py',
    '../_base_/distillers/lakd_4stages.py',
]

model = dict(distiller={{_base_.lakd_distiller}})
