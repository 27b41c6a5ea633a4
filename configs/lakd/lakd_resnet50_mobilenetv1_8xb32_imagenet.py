_base_ = [
    '../dkd/dkd_resnet50_mobilenetv1_8xb32_imagenet.py',
    '../_base_/distillers/lakd_imagenet.py',
]

model = dict(distiller={{_base_.lakd_distiller}})
