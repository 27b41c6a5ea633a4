# WTTM: Zheng and Yang, "Knowledge Distillation Based on Transformed Teacher
# Matching". Cross-entropy 1; gamma 0.3 and beta, here loss_weight, 1.5 for
# ResNet56 -> ResNet20 (the paper's tables 8 to 10 have each pair's).
wttm_distiller = dict(
    type='ConfigurableDistiller',
    student_recorders=dict(
        logits=dict(type='ModuleOutputs', source='head.fc')
    ),
    teacher_recorders=dict(
        logits=dict(type='ModuleOutputs', source='head.fc')
    ),
    distill_losses=dict(
        loss_wttm=dict(type='TeacherMatchingLoss', gamma=0.3, loss_weight=1.5)
    ),
    loss_forward_mappings=dict(
        loss_wttm=dict(
            preds_S=dict(recorder='logits', from_student=True),
            preds_T=dict(recorder='logits', from_student=False),
        )
    ),
)
