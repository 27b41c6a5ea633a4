# LAKD for networks of three stages. The last module learns three things: the
# labels and, with the same weight, the teacher's answers as they are (T 1),
# which say more than the labels where the teacher is not sure; and what its
# classifier sees, the pooled features, in the scale of the other modules' maps
# and through FitNet's regressor, so that the student's own features may be
# others and of another width. The labels' weight is that of the student's
# head.
_base_ = './lakd_maps.py'

lakd_distiller = dict(
    student_recorders=dict(
        logits=dict(type='ModuleOutputs', source='head.fc'),
        pooled=dict(type='ModuleOutputs', source='neck.gap'),
    ),
    teacher_recorders=dict(
        logits=dict(type='ModuleOutputs', source='head.fc'),
        pooled=dict(type='ModuleOutputs', source='neck.gap'),
    ),
    connectors=dict(regressor=dict(type='HintConnector')),
    distill_losses=dict(
        loss_kd=dict(type='LogitsKDLoss', tau=1.0, loss_weight=0.5),
        loss_pooled=dict(type='LocalFeatureLoss', loss_weight=10.0),
    ),
    loss_forward_mappings=dict(
        loss_kd=dict(
            preds_S=dict(recorder='logits', from_student=True),
            preds_T=dict(recorder='logits', from_student=False),
        ),
        loss_pooled=dict(
            s_feature=dict(
                recorder='pooled', from_student=True, connector='regressor'
            ),
            t_feature=dict(recorder='pooled', from_student=False),
        ),
    ),
)
