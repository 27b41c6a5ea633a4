# What lies over LAKD for a last module that learns by OFD's loss (Heo et al.,
# configs/ofd) beside the labels, and no logits. Stage 1 is cut off and LAKD's;
# stages 2 and 3 are taught as OFD does it. In the first half of the training
# each stage is fed a mixture of the maps, from the teacher's to the student's,
# so teacher and student have one width. The layers that align the maps are not
# part of the student.
lakd_ofd_distiller = dict(
    local_modules=[
        dict(
            student='backbone.layer1.preact', teacher='backbone.layer1.preact'
        ),
        # no module: stage 3 is fed here
        dict(
            student='backbone.layer2.preact',
            teacher='backbone.layer2.preact',
            isolate=False,
            feature_loss=None,
            attention_loss=None,
        ),
    ],
    feed=dict(fraction=0.5),
    student_recorders=dict(
        stage2=dict(type='ModuleOutputs', source='backbone.layer2.preact'),
        stage3=dict(type='ModuleOutputs', source='backbone.layer3.preact'),
    ),
    teacher_recorders=dict(
        stage2=dict(type='ModuleOutputs', source='backbone.layer2.preact'),
        stage3=dict(type='ModuleOutputs', source='backbone.layer3.preact'),
    ),
    connectors=dict(
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
        loss_ofd2=dict(type='PartialSquareLoss', loss_weight=0.5),
        loss_ofd3=dict(type='PartialSquareLoss', loss_weight=1.0),
    ),
    loss_forward_mappings=dict(
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
