# The literal reading of LAKD: every module is taught the teacher's maps, the
# last one too, with which the head goes, beside the labels; there is no logits
# KD. The losses weigh alike: twice the paper's total with alpha and beta of
# 1/2, whose own values are not known.
lakd_literal_distiller = dict(
    type='LAKDDistiller',
    local_modules=dict(maps='preact', last=dict(isolate=False)),
    connector=dict(type='LocalModuleConnector'),
    feature_loss=dict(type='LocalFeatureLoss', loss_weight=1.0),
    attention_loss=dict(type='NDAMLoss', alpha=0.5, beta=0.5, loss_weight=1.0),
)
