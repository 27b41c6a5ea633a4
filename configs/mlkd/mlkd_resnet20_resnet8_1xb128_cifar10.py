_base_ = [
    '../_base_/pairs/resnet20_resnet8_1xb128_cifar10.py',
    '../_base_/distillers/mlkd.py',
]

_base_.mlkd_distiller.update(_base_.method_settings.mlkd_distiller)
model = dict(
    architecture=_base_.mlkd_architecture,
    distiller=_base_.mlkd_distiller,
)
train_dataloader = _base_.mlkd_train_dataloader
