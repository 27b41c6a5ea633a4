# The literal reading of LAKD on ImageNet, for networks of four stages.
_base_ = './lakd_literal_4stages.py'

lakd_literal_distiller = dict(input_size=224)
