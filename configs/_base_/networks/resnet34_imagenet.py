# ResNet34 for 224x224 images of 1000 classes.
resnet34 = dict(
    _scope_='mmpretrain',
    type='ImageClassifier',
    backbone=dict(type='TappedResNet', depth=34, zero_init_residual=False),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=1000,
        in_channels=512,
        loss=dict(type='CrossEntropyLoss', loss_weight=1.0),
        topk=(1, 5),
    ),
)
