# LAKD for mmpretrain's ResNets. It lies over logits KD, which teaches the last
# module: stages 1 to 3 learn the teacher's maps alone, stage 4 and the head
# learn from labels and logits. The map before a stage's last ReLU has no name
# in these networks, so that the one behind it is learned.
lakd_distiller = dict(
    type='LAKDDistiller',
    local_modules=[
        dict(student='backbone.layer1', teacher='backbone.layer1'),
        dict(student='backbone.layer2', teacher='backbone.layer2'),
        dict(student='backbone.layer3', teacher='backbone.layer3'),
    ],
    connector=dict(type='LocalModuleConnector'),
    feature_loss=dict(type='LocalFeatureLoss', loss_weight=1.0),
    attention_loss=dict(type='NDAMLoss', alpha=0.5, beta=0.5, loss_weight=1.0),
    input_size=224,
)
