# DIST: Huang et al., "Knowledge Distillation from A Stronger Teacher". The
# authors' settings for CIFAR (dist_cifar.yaml of their classification code):
# both relations 1, T 4, weight 2, cross-entropy 1.
dist_distiller = dict(
    type='ConfigurableDistiller',
    student_recorders=dict(
        logits=dict(type='ModuleOutputs', source='head.fc')
    ),
    teacher_recorders=dict(
        logits=dict(type='ModuleOutputs', source='head.fc')
    ),
    distill_losses=dict(
        loss_dist=dict(
            type='StrongerTeacherLoss',
            inter_loss_weight=1.0,
            intra_loss_weight=1.0,
            tau=4.0,
            loss_weight=2.0,
        )
    ),
    loss_forward_mappings=dict(
        loss_dist=dict(
            logits_S=dict(recorder='logits', from_student=True),
            logits_T=dict(recorder='logits', from_student=False),
        )
    ),
)
