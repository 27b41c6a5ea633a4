# VID: Ahn et al., "Variational Information Distillation for Knowledge
# Transfer". All stages, weight 1, cross-entropy 1, variances of 5 at first:
# RepDistiller (`--distill vid -a 0 -b 1`) and mdistiller.
vid_distiller = dict(
    type='FeatureDistiller',
    stages=dict(maps='output', connector='gaussian'),
    connectors=dict(gaussian=dict(type='GaussianConnector')),
    distill_losses=dict(
        loss_vid=dict(type='VariationalInformationLoss', loss_weight=1.0)
    ),
)
