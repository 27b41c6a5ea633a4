# SD-DKD: Wei et al., "Scale Decoupled Distillation". SD-KD's regions with
# DKD's T, alpha, beta, warm-up and cross-entropy (github.com/shicaiwei123/
# SDD-CVPR2024, `--M [1,2]`).
_base_ = './dkd.py'

dkd_scales_distiller = dict(
    type='ConfigurableDistiller',
    student_recorders=dict(
        feature=dict(type='ModuleInputs', source='neck.gap'),
        weight=dict(type='Parameter', source='head.fc.weight'),
        bias=dict(type='Parameter', source='head.fc.bias'),
        # what the head's loss is called with: logits, labels
        labels=dict(type='ModuleInputs', source='head.loss_module'),
    ),
    teacher_recorders=dict(
        feature=dict(type='ModuleInputs', source='neck.gap'),
        weight=dict(type='Parameter', source='head.fc.weight'),
        bias=dict(type='Parameter', source='head.fc.bias'),
    ),
    distill_losses=dict(
        loss_dkd=dict(
            type='WarmupLoss',
            epochs=20,
            loss=dict(
                type='ScaleDecoupledDKDLoss',
                scales=(1, 2),
                complementary_weight=2.0,
                tau=4.0,
                alpha=1.0,
                beta=2.0,
                loss_weight=1.0,
            ),
        )
    ),
    loss_forward_mappings=dict(
        loss_dkd=dict(
            s_feature=dict(recorder='feature', from_student=True, data_idx=0),
            s_weight=dict(recorder='weight', from_student=True),
            s_bias=dict(recorder='bias', from_student=True),
            t_feature=dict(recorder='feature', from_student=False, data_idx=0),
            t_weight=dict(recorder='weight', from_student=False),
            t_bias=dict(recorder='bias', from_student=False),
            gt_labels=dict(recorder='labels', from_student=True, data_idx=1),
        )
    ),
)
