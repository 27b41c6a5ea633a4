# Logits KD: Hinton et al., "Distilling the Knowledge in a Neural Network".
# T 4, cross-entropy 0.1, KD 0.9, as in the literature's tables.
kd_distiller = dict(
    type='ConfigurableDistiller',
    student_recorders=dict(
        logits=dict(type='ModuleOutputs', source='head.fc')
    ),
    teacher_recorders=dict(
        logits=dict(type='ModuleOutputs', source='head.fc')
    ),
    distill_losses=dict(
        loss_kd=dict(
            type='LogitsKDLoss',
            tau=4.0,
            reduction='batchmean',
            loss_weight=0.9,
        )
    ),
    loss_forward_mappings=dict(
        loss_kd=dict(
            preds_S=dict(recorder='logits', from_student=True),
            preds_T=dict(recorder='logits', from_student=False),
        )
    ),
)
# KD's cross-entropy has a weight of 0.1; every other method's has 1.
kd_architecture = dict(head=dict(loss=dict(loss_weight=0.1)))
