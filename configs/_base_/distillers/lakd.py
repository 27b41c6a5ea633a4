# LAKD for networks of three stages: CIFAR ResNets, wide ResNets, ShuffleNets.
# It lies over DKD, which teaches the last module. The stages before it are cut
# off, as the paper has it, and learn the teacher's maps alone. Maps of unequal
# width or size are aligned.
lakd_distiller = dict(
    type='LAKDDistiller',
    local_modules=[
        dict(
            student='backbone.layer1.preact', teacher='backbone.layer1.preact'
        ),
        dict(
            student='backbone.layer2.preact', teacher='backbone.layer2.preact'
        ),
    ],
    connector=dict(type='LocalModuleConnector'),
    feature_loss=dict(type='LocalFeatureLoss', loss_weight=1.0),
    attention_loss=dict(type='NDAMLoss', alpha=0.5, beta=0.5, loss_weight=1.0),
)
