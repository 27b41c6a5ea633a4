# LAKD for networks of three stages. Beside the labels, the last module learns
# what the teacher's classifier sees, its pooled features, in the scale of the
# other modules' maps and through FitNet's regressor, so that the student's own
# features may be others and of another width.
_base_ = './lakd_maps.py'

lakd_distiller = dict(
    student_recorders=dict(
        pooled=dict(type='ModuleOutputs', source='neck.gap')
    ),
    teacher_recorders=dict(
        pooled=dict(type='ModuleOutputs', source='neck.gap')
    ),
    connectors=dict(regressor=dict(type='HintConnector')),
    distill_losses=dict(
        loss_pooled=dict(type='LocalFeatureLoss', loss_weight=10.0)
    ),
    loss_forward_mappings=dict(
        loss_pooled=dict(
            s_feature=dict(
                recorder='pooled', from_student=True, connector='regressor'
            ),
            t_feature=dict(recorder='pooled', from_student=False),
        )
    ),
)
