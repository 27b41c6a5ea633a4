# ReviewKD: Chen et al., "Distilling Knowledge via Knowledge Review". The
# student's activations of the three stages and the pooled features, against
# the teacher's maps before the last ReLU; warm-up over 20 epochs, weight 0.6
# for ResNet56 -> ResNet20 (github.com/dvlab-research/ReviewKD,
# CIFAR-100/script/reviewKD.sh), cross-entropy 1.
reviewkd_distiller = dict(
    type='FeatureDistiller',
    student_recorders=dict(
        stage1=dict(type='ModuleOutputs', source='backbone.layer1'),
        stage2=dict(type='ModuleOutputs', source='backbone.layer2'),
        stage3=dict(type='ModuleOutputs', source='backbone.layer3'),
        pooled=dict(type='ModuleOutputs', source='neck.gap'),
    ),
    teacher_recorders=dict(
        stage1=dict(type='ModuleOutputs', source='backbone.layer1.preact'),
        stage2=dict(type='ModuleOutputs', source='backbone.layer2.preact'),
        stage3=dict(type='ModuleOutputs', source='backbone.layer3.preact'),
        pooled=dict(type='ModuleOutputs', source='neck.gap'),
    ),
    connectors=dict(review=dict(type='ReviewConnector')),
    distill_losses=dict(
        loss_review=dict(
            type='WarmupLoss',
            epochs=20,
            loss=dict(type='HierarchicalContextLoss', loss_weight=0.6),
        )
    ),
    loss_forward_mappings=dict(
        loss_review=dict(
            s_features=dict(
                recorder=['stage1', 'stage2', 'stage3', 'pooled'],
                from_student=True,
                connector='review',
            ),
            t_features=dict(
                recorder=['stage1', 'stage2', 'stage3', 'pooled'],
                from_student=False,
            ),
        )
    ),
)
