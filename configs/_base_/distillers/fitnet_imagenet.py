# FitNet on ImageNet: no settings were published, these are CIFAR's.
_base_ = './fitnet.py'

fitnet_distiller = dict(input_size=224)
