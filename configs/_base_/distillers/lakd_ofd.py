# LAKD with a last module that learns as OFD does it, beside the labels, and no
# logits. Stage 1 is cut off and LAKD's, so OFD's part for it is left out; the
# boundary behind stage 2 teaches nothing of its own. In place of OFD's learned
# layers stands LAKD's connector, the identity where widths agree, so that the
# student's maps are the teacher's: in the first half of the training stages 2
# and 3 are fed a mixture of both, from the teacher's to the student's.
_base_ = ['./lakd.py', './ofd.py']

lakd_ofd_distiller = dict(
    _base_.lakd_distiller,
    local_modules=[
        _base_.lakd_distiller.local_modules[0],
        dict(
            _base_.lakd_distiller.local_modules[1],
            feature_loss=None,
            attention_loss=None,
        ),
    ],
    feed=dict(fraction=0.5),
    **{
        key: {
            name: (
                dict(type='LocalModuleConnector')
                if name.startswith('align')
                else part
            )
            for name, part in parts.items()
            if not name.endswith('1')
        }
        for key, parts in _base_.ofd_distiller.items()
        if key != 'type'
    },
)
