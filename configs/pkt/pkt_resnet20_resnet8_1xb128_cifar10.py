_base_ = [
    '../_base_/pairs/resnet20_resnet8_1xb128_cifar10.py',
    '../_base_/distillers/pkt.py',
]

_base_.pkt_distiller.update(_base_.method_settings.pkt_distiller)
model = dict(distiller=_base_.pkt_distiller)
