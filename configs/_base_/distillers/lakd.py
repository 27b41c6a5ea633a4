# LAKD. It lies over DKD, which teaches the last module. Stage 1, which takes
# most of the memory, is cut off and learns the teacher's map alone. The stages
# behind it are taught without a cut, which would save little or no memory
# there; what it does to accuracy depends on the teacher
# (docs/lab/README.md). Maps of unequal width or size are aligned.
_base_ = './dkd.py'

lakd_distiller = dict(
    _base_.dkd_distiller,
    type='LAKDDistiller',
    local_modules=dict(maps='preact', rest=dict(isolate=False)),
    connector=dict(type='LocalModuleConnector'),
    feature_loss=dict(type='LocalFeatureLoss', loss_weight=1.0),
    attention_loss=dict(type='NDAMLoss', alpha=0.5, beta=0.5, loss_weight=1.0),
)
