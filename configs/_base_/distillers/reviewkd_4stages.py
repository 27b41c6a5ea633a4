# ReviewKD for networks of four stages, and for VGGs, whose stages count from
# 0: the literature leaves `layer0` out.
_base_ = './reviewkd.py'

reviewkd_distiller = dict(
    student_recorders=dict(
        stage4=dict(type='ModuleOutputs', source='backbone.layer4')
    ),
    teacher_recorders=dict(
        stage4=dict(type='ModuleOutputs', source='backbone.layer4.preact')
    ),
    loss_forward_mappings=dict(
        loss_review=dict(
            s_features=dict(
                recorder=['stage1', 'stage2', 'stage3', 'stage4', 'pooled']
            ),
            t_features=dict(
                recorder=['stage1', 'stage2', 'stage3', 'stage4', 'pooled']
            ),
        )
    ),
)
