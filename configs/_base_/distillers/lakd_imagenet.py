# LAKD on ImageNet, for networks of four stages.
_base_ = './lakd_4stages.py'

lakd_distiller = dict(input_size=224)
