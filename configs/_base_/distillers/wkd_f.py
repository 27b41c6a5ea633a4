# WKD-F: Lv et al., "Wasserstein Distance Rivals Kullback-Leibler Divergence
# for Knowledge Distillation". The last stage behind FitNet's regressor, weight
# 0.08, which falls to 0 from the 150th of 240 epochs, means 4, one cell,
# cross-entropy 1 (github.com/JiamingLv/WKD, configs/cifar100/wkd_f/
# res32x4_res8x4.yaml).
wkd_f_distiller = dict(
    type='FeatureDistiller',
    stages=dict(maps='output', first=-1, connector='regressor'),
    connectors=dict(regressor=dict(type='HintConnector')),
    distill_losses=dict(
        loss_wkd=dict(
            type='WassersteinFeatureLoss',
            mean_weight=4.0,
            grid=1,
            decay_from=0.625,
            loss_weight=0.08,
        )
    ),
)
