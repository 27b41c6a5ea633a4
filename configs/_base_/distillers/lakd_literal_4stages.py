# The literal reading of LAKD, for networks of four stages.
_base_ = './lakd_literal.py'

lakd_literal_distiller = dict(
    local_modules=[
        dict(
            student='backbone.layer1.preact', teacher='backbone.layer1.preact'
        ),
        dict(
            student='backbone.layer2.preact', teacher='backbone.layer2.preact'
        ),
        dict(
            student='backbone.layer3.preact', teacher='backbone.layer3.preact'
        ),
        # The head goes with the last stage.
        dict(
            student='backbone.layer4.preact',
            teacher='backbone.layer4.preact',
            isolate=False,
        ),
    ],
)
