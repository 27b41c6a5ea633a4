# AT from a wide ResNet. The literature takes the last block's sum, which the
# BN and ReLU of this network's next stage follow.
_base_ = './at.py'

at_distiller = dict(
    teacher_recorders=dict(
        stage1=dict(source='backbone.layer1.sum'),
        stage2=dict(source='backbone.layer2.sum'),
        stage3=dict(source='backbone.layer3.sum'),
    ),
)
