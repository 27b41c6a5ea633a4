# AT: Zagoruyko and Komodakis, "Paying More Attention to Attention". p 2,
# weight 1000, all stages, cross-entropy 1: RepDistiller (`--distill attention
# -a 0 -b 1000`) and mdistiller.
at_distiller = dict(
    type='FeatureDistiller',
    stages='output',
    distill_losses=dict(
        loss_at=dict(type='AttentionTransferLoss', loss_weight=1000.0)
    ),
)
