# SimKD: Chen et al., "Knowledge Distillation with the Reused Teacher
# Classifier". The student ends with a projector and the teacher's classifier,
# and learns the teacher's map alone: weight 1, cross-entropy 0, factor 2
# (github.com/DefangChen/SimKD, `--distill simkd -c 0 -d 0 -b 1`).
simkd_distiller = dict(
    type='ConfigurableDistiller',
    student_recorders=dict(
        projected=dict(type='ModuleOutputs', source='head.projector'),
    ),
    teacher_recorders=dict(last=dict(type='ModuleInputs', source='neck.gap')),
    distill_losses=dict(
        loss_simkd=dict(type='ReusedClassifierLoss', loss_weight=1.0)
    ),
    loss_forward_mappings=dict(
        loss_simkd=dict(
            s_feature=dict(recorder='projected', from_student=True),
            t_feature=dict(recorder='last', from_student=False, data_idx=0),
        )
    ),
)
simkd_architecture = dict(
    neck=None,
    head=dict(
        type='SimKDHead',
        teacher_channels=None,  # a config writes in_channels of the teacher's
        factor=2,
        loss=dict(loss_weight=0.0),
    ),
)
