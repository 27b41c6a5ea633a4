# CRD: Tian et al., "Contrastive Representation Distillation". The weight and
# the rest are those of the literature's tables, whose CRD rows are without KD
# and with a cross-entropy of weight 1. For CIFAR ResNets of any two depths.
crd_distiller = dict(
    type='FeatureDistiller',
    student_recorders=dict(
        gap=dict(type='ModuleOutputs', source='neck.gap'),
        # the whole student's inputs: images and data samples
        inputs=dict(type='ModuleInputs', source=''),
    ),
    teacher_recorders=dict(gap=dict(type='ModuleOutputs', source='neck.gap')),
    connectors=dict(
        crd_student=dict(type='CRDConnector', dim_out=128),
        crd_teacher=dict(type='CRDConnector', dim_out=128),
    ),
    distill_losses=dict(
        loss_crd=dict(
            type='ContrastiveLoss',
            num_samples=50000,
            num_negatives=16384,
            temperature=0.07,
            momentum=0.5,
            loss_weight=0.8,
        )
    ),
    loss_forward_mappings=dict(
        loss_crd=dict(
            s_feats=dict(
                recorder='gap', from_student=True, connector='crd_student'
            ),
            t_feats=dict(
                recorder='gap', from_student=False, connector='crd_teacher'
            ),
            data_samples=dict(
                recorder='inputs', from_student=True, data_idx=1
            ),
        )
    ),
)
