# FCFD: Liu et al., "Function-Consistent Feature Distillation". Two of the
# paths between the networks a step; maps with a warm-up over 20 epochs, T 4,
# KD and cross-entropy 1; weight of the maps 0.02 for ResNet56 -> ResNet20
# (github.com/LiuDongyang6/FCFD, experiments/cifar/resnet20-resnet56.yaml).
fcfd_distiller = dict(
    type='FunctionConsistentDistiller',
    maps='output',
    through='both',
    extra_paths=2,
    feature_loss=dict(
        type='WarmupLoss',
        epochs=20,
        loss=dict(type='LocalFeatureLoss', normalize='none', loss_weight=0.02),
    ),
    logits_loss=dict(type='LogitsKDLoss', tau=4.0, loss_weight=1.0),
    student_recorders=dict(
        logits=dict(type='ModuleOutputs', source='head.fc')
    ),
    teacher_recorders=dict(
        logits=dict(type='ModuleOutputs', source='head.fc')
    ),
    distill_losses=dict(
        loss_kd=dict(type='LogitsKDLoss', tau=4.0, loss_weight=1.0)
    ),
    loss_forward_mappings=dict(
        loss_kd=dict(
            preds_S=dict(recorder='logits', from_student=True),
            preds_T=dict(recorder='logits', from_student=False),
        )
    ),
)
