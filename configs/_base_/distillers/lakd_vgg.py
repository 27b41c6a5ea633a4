# LAKD for VGGs of any two depths, whose five stages count from 0.
_base_ = './lakd.py'

lakd_distiller = dict(
    local_modules=[
        dict(
            student='backbone.layer0.preact', teacher='backbone.layer0.preact'
        ),
        dict(
            student='backbone.layer1.preact', teacher='backbone.layer1.preact'
        ),
        dict(
            student='backbone.layer2.preact', teacher='backbone.layer2.preact'
        ),
        dict(
            student='backbone.layer3.preact', teacher='backbone.layer3.preact'
        ),
    ],
)
