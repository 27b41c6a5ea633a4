_base_ = [
    '../_base_/pairs/resnet20_resnet8_1xb64_digits.py',
    '../_base_/distillers/crd.py',
]

_base_.crd_distiller.update(_base_.method_settings.crd_distiller)
model = dict(distiller=_base_.crd_distiller)
