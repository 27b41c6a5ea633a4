# LAKD for networks of three stages: CIFAR ResNets, wide ResNets, ShuffleNets.
# It lies over DKD, which teaches the last module. Stage 1, which takes most of
# the memory, is cut off and learns the teacher's map alone. Stage 2 is taught
# without a cut, which would save little or no memory there; what it does to
# accuracy depends on the teacher (docs/en/notes/experiments.md).
# Maps of unequal width or size are aligned.
lakd_distiller = dict(
    type='LAKDDistiller',
    local_modules=[
        dict(
            student='backbone.layer1.preact', teacher='backbone.layer1.preact'
        ),
        dict(
            student='backbone.layer2.preact',
            teacher='backbone.layer2.preact',
            isolate=False,
        ),
    ],
    connector=dict(type='LocalModuleConnector'),
    feature_loss=dict(type='LocalFeatureLoss', loss_weight=1.0),
    attention_loss=dict(type='NDAMLoss', alpha=0.5, beta=0.5, loss_weight=1.0),
)
