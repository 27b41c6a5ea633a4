_base_ = [
    '../_base_/pairs/resnet32x4_shufflenetv2_1xb64_cifar100.py',
    '../_base_/distillers/dkd.py',
]

_base_.dkd_distiller.update(_base_.method_settings.dkd_distiller)
model = dict(distiller=_base_.dkd_distiller)
