# CIFAR-10's images on a canvas, for detection. The folder is written by
#   python tools/dataset_converters/cifar10_canvas.py data/cifar10 \
#       data/cifar10_canvas
dataset = dict(
    type='mmdet.CocoDataset',
    data_root='data/cifar10_canvas',
    metainfo=dict(classes=('airplane', 'automobile', 'frog')),
)

train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        **dataset,
        ann_file='annotations/train.json',
        data_prefix=dict(img='img_dir/train/'),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations', with_bbox=True),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackDetInputs'),
        ],
    ),
)
val_dataloader = dict(
    batch_size=8,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        **dataset,
        ann_file='annotations/val.json',
        data_prefix=dict(img='img_dir/val/'),
        test_mode=True,
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations', with_bbox=True),
            # for the scale factor, which mmdet's heads ask for
            dict(type='Resize', scale=(96, 96)),
            dict(type='PackDetInputs'),
        ],
    ),
)
val_evaluator = dict(
    type='CocoMetric',
    ann_file='data/cifar10_canvas/annotations/val.json',
    metric='bbox',
)

test_dataloader = val_dataloader
test_evaluator = val_evaluator
del dataset
