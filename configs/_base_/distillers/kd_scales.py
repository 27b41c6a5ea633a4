# SD-KD: Wei et al., "Scale Decoupled Distillation". The logits of the map's
# 1 + 4 cells (networks of two families: and of 16 more), 2 for regions where
# the teacher is right or wrong in contrast to the whole; T 4, KD 0.9 and
# cross-entropy 0.1 (github.com/shicaiwei123/SDD-CVPR2024, `--M [1,2]`).
_base_ = './kd.py'

kd_scales_distiller = dict(
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
        loss_kd=dict(
            type='ScaleDecoupledKDLoss',
            scales=(1, 2),
            complementary_weight=2.0,
            tau=4.0,
            loss_weight=0.9,
        )
    ),
    loss_forward_mappings=dict(
        loss_kd=dict(
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
kd_scales_architecture = _base_.kd_architecture
