# OFD: Heo et al., "A Comprehensive Overhaul of Feature Distillation". Maps
# before the last ReLU of each stage; weight 1e-3 (the loss's mul_factor of
# 1000) and half of it for each stage before the last, cross-entropy 1:
# mdistiller's OFD (`FEAT_WEIGHT = 0.001`, `KERNEL_SIZE = 1`).
ofd_distiller = dict(
    type='FeatureDistiller',
    student_recorders=dict(
        stage1=dict(type='ModuleOutputs', source='backbone.layer1.preact'),
        stage2=dict(type='ModuleOutputs', source='backbone.layer2.preact'),
        stage3=dict(type='ModuleOutputs', source='backbone.layer3.preact'),
    ),
    teacher_recorders=dict(
        stage1=dict(type='ModuleOutputs', source='backbone.layer1.preact'),
        stage2=dict(type='ModuleOutputs', source='backbone.layer2.preact'),
        stage3=dict(type='ModuleOutputs', source='backbone.layer3.preact'),
    ),
    connectors=dict(
        align1=dict(
            type='ConvModuleConnector', norm_cfg=dict(type='BN'), act_cfg=None
        ),
        margin1=dict(type='MarginConnector'),
        align2=dict(
            type='ConvModuleConnector', norm_cfg=dict(type='BN'), act_cfg=None
        ),
        margin2=dict(type='MarginConnector'),
        align3=dict(
            type='ConvModuleConnector', norm_cfg=dict(type='BN'), act_cfg=None
        ),
        margin3=dict(type='MarginConnector'),
    ),
    distill_losses=dict(
        loss_ofd1=dict(type='PartialSquareLoss', loss_weight=0.25),
        loss_ofd2=dict(type='PartialSquareLoss', loss_weight=0.5),
        loss_ofd3=dict(type='PartialSquareLoss', loss_weight=1.0),
    ),
    loss_forward_mappings=dict(
        loss_ofd1=dict(
            s_feature=dict(
                recorder='stage1', from_student=True, connector='align1'
            ),
            t_feature=dict(
                recorder='stage1', from_student=False, connector='margin1'
            ),
        ),
        loss_ofd2=dict(
            s_feature=dict(
                recorder='stage2', from_student=True, connector='align2'
            ),
            t_feature=dict(
                recorder='stage2', from_student=False, connector='margin2'
            ),
        ),
        loss_ofd3=dict(
            s_feature=dict(
                recorder='stage3', from_student=True, connector='align3'
            ),
            t_feature=dict(
                recorder='stage3', from_student=False, connector='margin3'
            ),
        ),
    ),
)
