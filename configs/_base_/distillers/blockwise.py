# Blockwise distillation: each stage of the student gets the teacher's map at
# its beginning and learns, on its own, the teacher's map at its end, as DNA's
# blocks do (Li et al., "Blockwisely Supervised Neural Architecture Search with
# Knowledge Distillation"); the head gets the teacher's last map. Then KD, end
# to end. Ours: the scale of the loss, the head, and when the phases change.
_base_ = './kd.py'

blockwise_distiller = dict(
    _base_.kd_distiller,
    type='LAKDDistiller',
    local_modules=dict(maps='preact', last=dict()),
    feature_loss=dict(type='LocalFeatureLoss', loss_weight=1.0),
    attention_loss=None,
    feed='teacher',
    local_phase=dict(fraction=0.5),
)
blockwise_architecture = _base_.kd_architecture
