# LAKD with a last module that learns the teacher's pooled features beside the
# labels, and no logits: what the teacher's classifier sees, in the scale of
# the other modules' maps. For a student of the teacher's width.
lakd_pooled_distiller = dict(
    type='LAKDDistiller',
    local_modules=dict(maps='preact', rest=dict(isolate=False)),
    connector=dict(type='LocalModuleConnector'),
    feature_loss=dict(type='LocalFeatureLoss', loss_weight=1.0),
    attention_loss=dict(type='NDAMLoss', alpha=0.5, beta=0.5, loss_weight=1.0),
    student_recorders=dict(
        pooled=dict(type='ModuleOutputs', source='neck.gap')
    ),
    teacher_recorders=dict(
        pooled=dict(type='ModuleOutputs', source='neck.gap')
    ),
    distill_losses=dict(
        loss_pooled=dict(type='LocalFeatureLoss', loss_weight=10.0)
    ),
    loss_forward_mappings=dict(
        loss_pooled=dict(
            s_feature=dict(recorder='pooled', from_student=True),
            t_feature=dict(recorder='pooled', from_student=False),
        )
    ),
)
