# SP: Tung and Mori, "Similarity-Preserving Knowledge Distillation". The last
# stage's activations, weight 3000, cross-entropy 1: RepDistiller (`--distill
# similarity -a 0 -b 3000`) and mdistiller.
sp_distiller = dict(
    type='FeatureDistiller',
    stages=dict(maps='output', first=-1),
    distill_losses=dict(
        loss_sp=dict(type='SimilarityPreservingLoss', loss_weight=3000.0)
    ),
)
