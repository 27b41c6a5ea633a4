# LAKD with a last module that learns as OFD does it, beside the labels, and no
# logits. Stage 1 is cut off and LAKD's, so OFD's part for it is left out; the
# boundaries behind the other stages teach nothing of their own. In place of
# OFD's learned layers stands LAKD's connector, the identity where widths
# agree, so that the student's maps are the teacher's: in the first half of the
# training the stages but the first are fed a mixture of both, from the
# teacher's to the student's. For a student of the teacher's widths.
_base_ = './ofd.py'

lakd_ofd_distiller = dict(
    _base_.ofd_distiller,
    type='LAKDDistiller',
    stages=dict(_base_.ofd_distiller.stages, first=2),
    connectors=dict(
        align=dict(type='LocalModuleConnector'),
        margin=dict(type='MarginConnector'),
    ),
    local_modules=dict(
        maps='preact',
        rest=dict(isolate=False, feature_loss=None, attention_loss=None),
    ),
    connector=dict(type='LocalModuleConnector'),
    feature_loss=dict(type='LocalFeatureLoss', loss_weight=1.0),
    attention_loss=dict(type='NDAMLoss', alpha=0.5, beta=0.5, loss_weight=1.0),
    feed=dict(fraction=0.5),
)
