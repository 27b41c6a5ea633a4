# What lies over LAKD for a last module that learns the teacher's last map by
# OFD's loss (Heo et al., configs/ofd) beside the labels, and no logits. The
# layer that aligns the maps is not part of the student.
lakd_ofd_distiller = dict(
    student_recorders=dict(
        last=dict(type='ModuleOutputs', source='backbone.layer3.preact')
    ),
    teacher_recorders=dict(
        last=dict(type='ModuleOutputs', source='backbone.layer3.preact')
    ),
    connectors=dict(
        align=dict(
            type='ConvModuleConnector', norm_cfg=dict(type='BN'), act_cfg=None
        ),
        margin=dict(type='MarginConnector'),
    ),
    distill_losses=dict(
        loss_ofd=dict(type='PartialSquareLoss', loss_weight=1.0)
    ),
    loss_forward_mappings=dict(
        loss_ofd=dict(
            s_feature=dict(
                recorder='last', from_student=True, connector='align'
            ),
            t_feature=dict(
                recorder='last', from_student=False, connector='margin'
            ),
        )
    ),
)
