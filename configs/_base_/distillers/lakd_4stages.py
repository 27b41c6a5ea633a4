# LAKD for networks of four stages, and from a VGG to a network of four, whose
# maps have the sizes of the VGG's `layer1` to `layer4`. Stage 1 alone is cut
# off.
_base_ = './lakd.py'

lakd_distiller = dict(
    local_modules=[
        dict(
            student='backbone.layer1.preact', teacher='backbone.layer1.preact'
        ),
        dict(
            student='backbone.layer2.preact',
            teacher='backbone.layer2.preact',
            isolate=False,
        ),
        dict(
            student='backbone.layer3.preact',
            teacher='backbone.layer3.preact',
            isolate=False,
        ),
    ],
)
