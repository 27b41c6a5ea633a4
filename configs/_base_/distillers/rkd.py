# RKD: Park et al., "Relational Knowledge Distillation". Distances 25, angles
# 50, of the pooled features, cross-entropy 1: RepDistiller (`--distill rkd -a
# 0 -b 1`) and mdistiller.
rkd_distiller = dict(
    type='ConfigurableDistiller',
    student_recorders=dict(
        pooled=dict(type='ModuleOutputs', source='neck.gap')
    ),
    teacher_recorders=dict(
        pooled=dict(type='ModuleOutputs', source='neck.gap')
    ),
    distill_losses=dict(
        loss_distance=dict(type='RelationalDistanceLoss', loss_weight=25.0),
        loss_angle=dict(type='RelationalAngleLoss', loss_weight=50.0),
    ),
    loss_forward_mappings=dict(
        loss_distance=dict(
            preds_S=dict(recorder='pooled', from_student=True),
            preds_T=dict(recorder='pooled', from_student=False),
        ),
        loss_angle=dict(
            preds_S=dict(recorder='pooled', from_student=True),
            preds_T=dict(recorder='pooled', from_student=False),
        ),
    ),
)
