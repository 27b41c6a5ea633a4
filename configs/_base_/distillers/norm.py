# NORM: Liu et al., "NORM: Knowledge Distillation via N-to-One Representation
# Matching". Between the student's last map and its classifier are two linear
# layers, merged into it after training, of which the first learns 8 copies of
# the teacher's map. As in the authors' code (github.com/OSVAI/NORM): alpha 1
# in five steps, cross-entropy of normalised logits 0.1, the README's example.
norm_distiller = dict(
    type='ConfigurableDistiller',
    student_recorders=dict(
        expanded=dict(type='ModuleOutputs', source='head.expand'),
    ),
    teacher_recorders=dict(last=dict(type='ModuleInputs', source='neck.gap')),
    distill_losses=dict(
        loss_norm=dict(
            type='SteppedLoss',
            # epochs 0, 10, 20, 180 and 210 of 240
            steps=[
                (0, 0.1),
                (1 / 24, 0.5),
                (1 / 12, 1.0),
                (3 / 4, 0.5),
                (7 / 8, 0.1),
            ],
            loss=dict(type='RepresentationMatchingLoss', loss_weight=1.0),
        )
    ),
    loss_forward_mappings=dict(
        loss_norm=dict(
            s_feature=dict(recorder='expanded', from_student=True),
            t_feature=dict(recorder='last', from_student=False, data_idx=0),
        )
    ),
)
norm_architecture = dict(
    neck=None,
    head=dict(
        type='NORMHead',
        teacher_channels=None,  # a config writes in_channels of the teacher's
        copies=8,
        mode='code',
        loss=dict(loss_weight=0.1),
    ),
)
