# RLD: Sun et al., "Knowledge Distillation with Refined Logits". T 4, alpha 1,
# beta 8, warm-up over 20 epochs, cross-entropy 1 (github.com/zju-SWJ/RLD,
# `tools/train.py --same-t RLD.ALPHA 1. RLD.BETA 8. RLD.T 4.`).
rld_distiller = dict(
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
        loss_rld=dict(
            type='WarmupLoss',
            epochs=20,
            loss=dict(
                type='RefinedLogitsLoss',
                tau=4.0,
                alpha=1.0,
                beta=8.0,
                loss_weight=1.0,
            ),
        )
    ),
    loss_forward_mappings=dict(
        loss_rld=dict(
            preds_S=dict(recorder='logits', from_student=True),
            preds_T=dict(recorder='logits', from_student=False),
            gt_labels=dict(recorder='labels', from_student=True, data_idx=1),
        )
    ),
)
