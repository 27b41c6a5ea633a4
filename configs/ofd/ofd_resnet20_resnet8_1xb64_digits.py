_base_ = [
    '../_base_/pairs/resnet20_resnet8_1xb64_digits.py',
    '../_base_/distillers/ofd.py',
]

model = dict(distiller=_base_.ofd_distiller)
