# WKD-L: Lv et al., "Wasserstein Distance Rivals Kullback-Leibler Divergence
# for Knowledge Distillation". T 8, weight 600, which falls to 0 from the 150th
# of 240 epochs, cross-entropy 1 (github.com/JiamingLv/WKD, configs/cifar100/
# wkd_l/res32x4_res8x4.yaml). The distances of classes are those of the
# teacher's classifier, the code's COST_MATRIX 'fc': the figures published for
# CIFAR-100 are with a file for the teacher, cost_matrix.
wkd_l_distiller = dict(
    type='ConfigurableDistiller',
    student_recorders=dict(
        logits=dict(type='ModuleOutputs', source='head.fc'),
        # what the head's loss is called with: logits, labels
        labels=dict(type='ModuleInputs', source='head.loss_module'),
    ),
    teacher_recorders=dict(
        logits=dict(type='ModuleOutputs', source='head.fc'),
        weight=dict(type='Parameter', source='head.fc.weight'),
    ),
    distill_losses=dict(
        loss_wkd=dict(
            type='WassersteinLogitsLoss',
            tau=8.0,
            sharpen=1.0,
            decay_from=0.625,
            loss_weight=600.0,
        )
    ),
    loss_forward_mappings=dict(
        loss_wkd=dict(
            preds_S=dict(recorder='logits', from_student=True),
            preds_T=dict(recorder='logits', from_student=False),
            t_weight=dict(recorder='weight', from_student=False),
            gt_labels=dict(recorder='labels', from_student=True, data_idx=1),
        )
    ),
)
