# The literal reading of LAKD, for networks of three stages: every module is
# taught the teacher's maps, the last one too, beside the labels; there is no
# logits KD. The losses weigh alike: twice the paper's total with alpha and
# beta of 1/2, whose own values are not known.
lakd_literal_distiller = dict(
    type='LAKDDistiller',
    local_modules=[
        dict(
            student='backbone.layer1.preact', teacher='backbone.layer1.preact'
        ),
        dict(
            student='backbone.layer2.preact', teacher='backbone.layer2.preact'
        ),
        # The head goes with the last stage.
        dict(
            student='backbone.layer3.preact',
            teacher='backbone.layer3.preact',
            isolate=False,
        ),
    ],
    connector=dict(type='LocalModuleConnector'),
    feature_loss=dict(type='LocalFeatureLoss', loss_weight=1.0),
    attention_loss=dict(type='NDAMLoss', alpha=0.5, beta=0.5, loss_weight=1.0),
)
