# LAKD for VGGs of any two depths, whose five stages count from 0. The first
# alone is cut off.
_base_ = './lakd.py'

lakd_distiller = dict(
    local_modules=[
        dict(
            student='backbone.layer0.preact', teacher='backbone.layer0.preact'
        ),
        dict(
            student='backbone.layer1.preact',
            teacher='backbone.layer1.preact',
            isolate=False,
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
