# OFD: Heo et al., "A Comprehensive Overhaul of Feature Distillation". Maps
# before the last ReLU of each stage; weight 1e-3 (the loss's mul_factor of
# 1000) and half of it for each stage before the last, cross-entropy 1:
# mdistiller's OFD (`FEAT_WEIGHT = 0.001`, `KERNEL_SIZE = 1`).
ofd_distiller = dict(
    type='FeatureDistiller',
    stages=dict(
        maps='preact', connector='align', teacher_connector='margin', decay=0.5
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
)
