# FitNet: Romero et al., "FitNets: Hints for Thin Deep Nets". The mean squared
# error of the second stage's maps behind a regressor, weight 100 and
# cross-entropy 1, in one stage of training: RepDistiller (`--distill hint -a 0
# -b 100`) and mdistiller (`HINT_LAYER = 2`).
fitnet_distiller = dict(
    type='FeatureDistiller',
    student_recorders=dict(
        hint=dict(type='ModuleOutputs', source='backbone.layer2')
    ),
    teacher_recorders=dict(
        hint=dict(type='ModuleOutputs', source='backbone.layer2')
    ),
    connectors=dict(regressor=dict(type='HintConnector')),
    distill_losses=dict(
        loss_hint=dict(
            type='LocalFeatureLoss', normalize='none', loss_weight=100.0
        )
    ),
    loss_forward_mappings=dict(
        loss_hint=dict(
            s_feature=dict(
                recorder='hint', from_student=True, connector='regressor'
            ),
            t_feature=dict(recorder='hint', from_student=False),
        )
    ),
)
