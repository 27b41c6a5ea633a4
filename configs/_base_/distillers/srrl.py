# SRRL: Yang et al., "Knowledge Distillation via Softmax Regression
# Representation Learning". The maps before pooling, the student's behind a 1x1
# convolution, batch normalisation and a ReLU; all weights 1 (github.com/
# jingyang2017/KD_SRRL, which has the settings for ImageNet alone).
srrl_distiller = dict(
    type='FeatureDistiller',
    student_recorders=dict(
        last=dict(type='ModuleInputs', source='neck.gap'),
    ),
    teacher_recorders=dict(
        last=dict(type='ModuleInputs', source='neck.gap'),
        weight=dict(type='Parameter', source='head.fc.weight'),
        bias=dict(type='Parameter', source='head.fc.bias'),
    ),
    connectors=dict(
        transfer=dict(type='ConvModuleConnector', norm_cfg=dict(type='BN'))
    ),
    distill_losses=dict(
        loss_srrl=dict(
            type='SoftmaxRegressionLoss', alpha=1.0, beta=1.0, loss_weight=1.0
        )
    ),
    loss_forward_mappings=dict(
        loss_srrl=dict(
            s_feature=dict(
                recorder='last',
                from_student=True,
                data_idx=0,
                connector='transfer',
            ),
            t_feature=dict(recorder='last', from_student=False, data_idx=0),
            weight=dict(recorder='weight', from_student=False),
            bias=dict(recorder='bias', from_student=False),
        )
    ),
)
