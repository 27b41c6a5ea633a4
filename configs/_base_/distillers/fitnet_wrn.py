# FitNet between wide ResNets: see fitnet_wrn_teacher.py.
_base_ = './fitnet_wrn_teacher.py'

fitnet_distiller = dict(
    student_recorders=dict(hint=dict(source='backbone.layer2.sum'))
)
