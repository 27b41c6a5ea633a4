# AT for networks of four stages, and for VGGs, whose stages count from 0: the
# literature leaves `layer0` out.
_base_ = './at.py'

at_distiller = dict(
    student_recorders=dict(
        stage4=dict(type='ModuleOutputs', source='backbone.layer4')
    ),
    teacher_recorders=dict(
        stage4=dict(type='ModuleOutputs', source='backbone.layer4')
    ),
    distill_losses=dict(
        loss_at4=dict(type='AttentionTransferLoss', loss_weight=1000.0)
    ),
    loss_forward_mappings=dict(
        loss_at4=dict(
            s_feature=dict(recorder='stage4', from_student=True),
            t_feature=dict(recorder='stage4', from_student=False),
        )
    ),
)
