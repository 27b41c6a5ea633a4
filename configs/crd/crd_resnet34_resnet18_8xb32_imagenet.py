_base_ = [
    '../_base_/pairs/resnet34_resnet18_8xb32_imagenet.py',
    '../_base_/distillers/crd.py',
]

_base_.crd_distiller.update(_base_.method_settings.crd_distiller)
model = dict(distiller=_base_.crd_distiller)
