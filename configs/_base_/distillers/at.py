# AT: Zagoruyko and Komodakis, "Paying More Attention to Attention". p 2,
# weight 1000, all three stages, cross-entropy 1: RepDistiller (`--distill
# attention -a 0 -b 1000`) and mdistiller.
at_distiller = dict(
    type='ConfigurableDistiller',
    student_recorders=dict(
        stage1=dict(type='ModuleOutputs', source='backbone.layer1'),
        stage2=dict(type='ModuleOutputs', source='backbone.layer2'),
        stage3=dict(type='ModuleOutputs', source='backbone.layer3'),
    ),
    teacher_recorders=dict(
        stage1=dict(type='ModuleOutputs', source='backbone.layer1'),
        stage2=dict(type='ModuleOutputs', source='backbone.layer2'),
        stage3=dict(type='ModuleOutputs', source='backbone.layer3'),
    ),
    distill_losses=dict(
        loss_at1=dict(type='AttentionTransferLoss', loss_weight=1000.0),
        loss_at2=dict(type='AttentionTransferLoss', loss_weight=1000.0),
        loss_at3=dict(type='AttentionTransferLoss', loss_weight=1000.0),
    ),
    loss_forward_mappings=dict(
        loss_at1=dict(
            s_feature=dict(recorder='stage1', from_student=True),
            t_feature=dict(recorder='stage1', from_student=False),
        ),
        loss_at2=dict(
            s_feature=dict(recorder='stage2', from_student=True),
            t_feature=dict(recorder='stage2', from_student=False),
        ),
        loss_at3=dict(
            s_feature=dict(recorder='stage3', from_student=True),
            t_feature=dict(recorder='stage3', from_student=False),
        ),
    ),
)
