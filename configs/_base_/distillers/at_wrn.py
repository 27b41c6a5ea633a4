# AT between wide ResNets: see at_wrn_teacher.py.
_base_ = './at_wrn_teacher.py'

at_distiller = dict(
    student_recorders=dict(
        stage1=dict(source='backbone.layer1.sum'),
        stage2=dict(source='backbone.layer2.sum'),
        stage3=dict(source='backbone.layer3.sum'),
    ),
)
