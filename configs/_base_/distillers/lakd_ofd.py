# What lies over LAKD for a last module that learns as OFD does it, beside the
# labels, and no logits. Stage 1 is cut off and LAKD's, so OFD's part for it is
# left out. In the first half of the training stages 2 and 3 are fed a mixture
# of the maps, from the teacher's to the student's: both have one width.
_base_ = ['./ofd.py']

lakd_ofd_distiller = dict(
    local_modules=[
        dict(
            student='backbone.layer1.preact', teacher='backbone.layer1.preact'
        ),
        # no module: stage 3 is fed here
        dict(
            student='backbone.layer2.preact',
            teacher='backbone.layer2.preact',
            isolate=False,
            feature_loss=None,
            attention_loss=None,
        ),
    ],
    feed=dict(fraction=0.5),
    **{
        key: {
            name: part
            for name, part in parts.items()
            if not name.endswith('1')
        }
        for key, parts in _base_.ofd_distiller.items()
        if key != 'type'
    },
)
