# FitNet from a wide ResNet. The literature takes the last block's sum, which
# the BN and ReLU of this network's next stage follow.
_base_ = './fitnet.py'

fitnet_distiller = dict(
    teacher_recorders=dict(hint=dict(source='backbone.layer2.sum'))
)
