# FitNet: Romero et al., "FitNets: Hints for Thin Deep Nets". The mean squared
# error of the second stage's maps behind a regressor, weight 100 and
# cross-entropy 1, in one stage of training: RepDistiller (`--distill hint -a 0
# -b 100`) and mdistiller (`HINT_LAYER = 2`).
fitnet_distiller = dict(
    type='FeatureDistiller',
    stages=dict(maps='output', first=2, last=2, connector='regressor'),
    connectors=dict(regressor=dict(type='HintConnector')),
    distill_losses=dict(
        loss_hint=dict(
            type='LocalFeatureLoss', normalize='none', loss_weight=100.0
        )
    ),
)
