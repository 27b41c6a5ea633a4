# CAT-KD: Guo et al., "Class Attention Transfer Based Knowledge Distillation".
# Cross-entropy 1; activation maps of 2x2, not normalized, and beta, here
# loss_weight, 0.7 for ResNet56 -> ResNet20 (github.com/GzyAftermath/CAT-KD,
# configs/cifar100/CAT_KD/res56_res20.yaml).
catkd_distiller = dict(
    type='ConfigurableDistiller',
    student_recorders=dict(
        last=dict(type='ModuleInputs', source='neck.gap'),
        weight=dict(type='Parameter', source='head.fc.weight'),
    ),
    teacher_recorders=dict(
        last=dict(type='ModuleInputs', source='neck.gap'),
        weight=dict(type='Parameter', source='head.fc.weight'),
    ),
    distill_losses=dict(
        loss_cat=dict(
            type='ClassAttentionLoss',
            resolution=2,
            normalize=False,
            loss_weight=0.7,
        )
    ),
    loss_forward_mappings=dict(
        loss_cat=dict(
            s_feature=dict(recorder='last', from_student=True, data_idx=0),
            t_feature=dict(recorder='last', from_student=False, data_idx=0),
            s_weight=dict(recorder='weight', from_student=True),
            t_weight=dict(recorder='weight', from_student=False),
        )
    ),
)
