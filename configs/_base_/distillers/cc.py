# CC: Peng et al., "Correlation Congruence for Knowledge Distillation".
# Embeddings of 128, both trained, weight 0.02, cross-entropy 1, and the
# authors' code: RepDistiller (`--distill correlation -a 0 -b 0.02`).
cc_distiller = dict(
    type='FeatureDistiller',
    student_recorders=dict(
        pooled=dict(type='ModuleOutputs', source='neck.gap')
    ),
    teacher_recorders=dict(
        pooled=dict(type='ModuleOutputs', source='neck.gap')
    ),
    connectors=dict(
        student_embedding=dict(type='EmbeddingConnector', dim_out=128),
        teacher_embedding=dict(type='EmbeddingConnector', dim_out=128),
    ),
    distill_losses=dict(
        loss_cc=dict(
            type='CorrelationCongruenceLoss', mode='code', loss_weight=0.02
        )
    ),
    loss_forward_mappings=dict(
        loss_cc=dict(
            preds_S=dict(
                recorder='pooled',
                from_student=True,
                connector='student_embedding',
            ),
            preds_T=dict(
                recorder='pooled',
                from_student=False,
                connector='teacher_embedding',
            ),
        )
    ),
)
