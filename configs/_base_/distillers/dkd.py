# DKD: Zhao et al., "Decoupled Knowledge Distillation". T 4, alpha 1, warm-up
# over 20 epochs, cross-entropy 1; beta 2 for ResNet56 -> ResNet20 and
# ResNet110 -> ResNet32 (mdistiller, configs/cifar100/dkd/res56_res20.yaml).
dkd_distiller = dict(
    type='ConfigurableDistiller',
    student_recorders=dict(
        logits=dict(type='ModuleOutputs', source='head.fc'),
        # what the head's loss is called with: logits, labels
        labels=dict(type='ModuleInputs', source='head.loss_module'),
    ),
    teacher_recorders=dict(
        logits=dict(type='ModuleOutputs', source='head.fc')
    ),
    distill_losses=dict(
        loss_dkd=dict(
            type='WarmupLoss',
            epochs=20,
            loss=dict(
                type='DecoupledKDLoss',
                tau=4.0,
                alpha=1.0,
                beta=2.0,
                loss_weight=1.0,
            ),
        )
    ),
    loss_forward_mappings=dict(
        loss_dkd=dict(
            preds_S=dict(recorder='logits', from_student=True),
            preds_T=dict(recorder='logits', from_student=False),
            gt_labels=dict(recorder='labels', from_student=True, data_idx=1),
        )
    ),
)
