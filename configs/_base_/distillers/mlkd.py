# MLKD: Jin et al., "Multi-Level Logit Distillation". It trains on two views
# of each image, and so on twice the images of the other methods: crop and
# flip, and the same with the authors' RandAugment and Cutout. T 2 to 6,
# cross-entropy 0.1 and the rest 0.9 of each view (the authors' code, whose
# mode it is: mdistiller/engine/cfg.py and distillers/KD_ours.py).
mlkd_distiller = dict(
    type='ConfigurableDistiller',
    student_recorders=dict(
        logits=dict(type='ModuleOutputs', source='head.fc'),
        # what the head's loss is called with: logits, labels
        labels=dict(type='ModuleInputs', source='head.loss_module'),
    ),
    teacher_recorders=dict(
        logits=dict(type='ModuleOutputs', source='head.fc')
    ),
    distill_losses=dict(
        loss_mlkd=dict(type='MultiLevelKDLoss', mode='code', loss_weight=0.9)
    ),
    loss_forward_mappings=dict(
        loss_mlkd=dict(
            preds_S=dict(recorder='logits', from_student=True),
            preds_T=dict(recorder='logits', from_student=False),
            gt_labels=dict(recorder='labels', from_student=True, data_idx=1),
        )
    ),
)
# The mean over both views, twice the weight of each.
mlkd_architecture = dict(head=dict(loss=dict(loss_weight=0.2)))

weak = [
    dict(type='mmpretrain.BatchRandomCrop', padding=4),
    dict(type='mmpretrain.BatchRandomFlip', prob=0.5),
]
# Brightness, colour, contrast and sharpness are 1 plus the magnitude.
less = dict(magnitude_range=(-0.95, -0.05), random_negative_prob=0.0)
moved = dict(magnitude_range=(-0.3, 0.3), pad_val=0, interpolation='nearest')
policies = [
    dict(type='AutoContrast', prob=1.0),
    dict(type='Brightness', prob=1.0, **less),
    dict(type='ColorTransform', prob=1.0, **less),
    dict(type='Contrast', prob=1.0, **less),
    dict(type='Equalize', prob=1.0),
    dict(type='Equalize', prob=0.0),  # the identity
    dict(type='Posterize', prob=1.0, magnitude_range=(3, 7)),  # rounds up
    dict(type='Rotate', prob=1.0, magnitude_range=(-30, 30), pad_val=0),
    dict(type='Sharpness', prob=1.0, **less),
    dict(type='Shear', prob=1.0, direction='horizontal', **moved),
    dict(type='Shear', prob=1.0, direction='vertical', **moved),
    dict(type='Solarize', prob=1.0, magnitude_range=(0, 256)),
    dict(type='Translate', prob=1.0, direction='horizontal', **moved),
    dict(type='Translate', prob=1.0, direction='vertical', **moved),
]
strong = dict(
    type='mmpretrain.BatchPerImage',
    transforms=[
        dict(
            type='mmpretrain.RandAugment',
            policies=policies,
            num_policies=2,
            magnitude_level=10,
            magnitude_std='inf',  # uniform in the range
        ),
        # up to half of the side of 32 pixels, filled with B, G, R
        dict(
            type='mmpretrain.Cutout',
            prob=1.0,
            magnitude_range=(0, 16),
            magnitude_std='inf',
            pad_val=(114, 123, 125),
        ),
    ],
)
mlkd_train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='mmpretrain.BatchViews', views=[weak, [*weak, strong]])
        ]
    ),
    collate_fn=dict(type='views_collate'),
)
del weak, less, moved, policies, strong
