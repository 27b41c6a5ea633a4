# CIFAR-10's images on a canvas, for segmentation. The folder is written by
#   python tools/dataset_converters/cifar10_canvas.py data/cifar10 \
#       data/cifar10_canvas
dataset = dict(
    type='mmseg.BaseSegDataset',
    data_root='data/cifar10_canvas',
    metainfo=dict(
        classes=('background', 'airplane', 'automobile', 'frog'),
        palette=[[0, 0, 0], [220, 20, 60], [0, 0, 142], [107, 142, 35]],
    ),
    img_suffix='.png',
    seg_map_suffix='.png',
)

train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        **dataset,
        data_prefix=dict(
            img_path='img_dir/train', seg_map_path='ann_dir/train'
        ),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackSegInputs'),
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
        data_prefix=dict(img_path='img_dir/val', seg_map_path='ann_dir/val'),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='PackSegInputs'),
        ],
    ),
)
val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])

test_dataloader = val_dataloader
test_evaluator = val_evaluator
del dataset
