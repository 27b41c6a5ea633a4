# PKT: Passalis and Tefas, "Learning Deep Representations with Probabilistic
# Knowledge Transfer". The pooled features, weight 30000, cross-entropy 1:
# RepDistiller (`--distill pkt -a 0 -b 30000`) and mdistiller.
pkt_distiller = dict(
    type='ConfigurableDistiller',
    student_recorders=dict(
        pooled=dict(type='ModuleOutputs', source='neck.gap')
    ),
    teacher_recorders=dict(
        pooled=dict(type='ModuleOutputs', source='neck.gap')
    ),
    distill_losses=dict(
        loss_pkt=dict(type='ProbabilisticTransferLoss', loss_weight=30000.0)
    ),
    loss_forward_mappings=dict(
        loss_pkt=dict(
            preds_S=dict(recorder='pooled', from_student=True),
            preds_T=dict(recorder='pooled', from_student=False),
        )
    ),
)
