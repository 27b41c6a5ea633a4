_base_ = [
    '../dkd/dkd_resnet34_resnet18_8xb32_imagenet.py',
    '../_base_/distillers/lakd_imagenet.py',
]

model = dict(distiller={{_base_.lakd_distiller}})
