# ReviewKD: Chen et al., "Distilling Knowledge via Knowledge Review". The
# student's activations of the stages and the pooled features, against the
# teacher's maps before the last ReLU; warm-up over 20 epochs, weight 0.6 for
# ResNet56 -> ResNet20 (github.com/dvlab-research/ReviewKD,
# CIFAR-100/script/reviewKD.sh), cross-entropy 1.
reviewkd_distiller = dict(
    type='FeatureDistiller',
    stages=dict(
        student='output',
        teacher='preact',
        pooled=True,
        together=True,
        connector='review',
    ),
    connectors=dict(review=dict(type='ReviewConnector')),
    distill_losses=dict(
        loss_review=dict(
            type='WarmupLoss',
            epochs=20,
            loss=dict(type='HierarchicalContextLoss', loss_weight=0.6),
        )
    ),
)
