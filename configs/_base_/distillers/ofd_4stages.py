# OFD for networks of four stages, and for VGGs, whose stages count from 0: the
# literature leaves `layer0` out. The last stage weighs 1, each one before it
# half as much.
_base_ = './ofd.py'

ofd_distiller = dict(
    student_recorders=dict(
        stage4=dict(type='ModuleOutputs', source='backbone.layer4.preact')
    ),
    teacher_recorders=dict(
        stage4=dict(type='ModuleOutputs', source='backbone.layer4.preact')
    ),
    connectors=dict(
        align4=dict(
            type='ConvModuleConnector', norm_cfg=dict(type='BN'), act_cfg=None
        ),
        margin4=dict(type='MarginConnector'),
    ),
    distill_losses=dict(
        loss_ofd1=dict(loss_weight=0.125),
        loss_ofd2=dict(loss_weight=0.25),
        loss_ofd3=dict(loss_weight=0.5),
        loss_ofd4=dict(type='PartialSquareLoss', loss_weight=1.0),
    ),
    loss_forward_mappings=dict(
        loss_ofd4=dict(
            s_feature=dict(
                recorder='stage4', from_student=True, connector='align4'
            ),
            t_feature=dict(
                recorder='stage4', from_student=False, connector='margin4'
            ),
        )
    ),
)
