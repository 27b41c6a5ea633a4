# CIFAR-10 held in memory, augmented a whole batch at a time. The images are
# those of mmpretrain's CIFAR10; `cifar10_bs128_per_image.py` gives the same
# batches through mmpretrain's own pipeline.
data_preprocessor = dict(
    type='mmpretrain.ClsDataPreprocessor',
    num_classes=10,
    # the training images' mean and standard deviation, R, G, B
    mean=[125.307, 122.950, 113.865],
    std=[62.993, 62.089, 66.705],
    to_rgb=False,
)

train_dataloader = dict(
    batch_size=128,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        type='mmpretrain.InMemoryCIFAR10',
        data_root='data/cifar10',
        split='train',
        pipeline=[
            dict(type='mmpretrain.BatchRandomCrop', padding=4),
            dict(type='mmpretrain.BatchRandomFlip', prob=0.5),
        ],
    ),
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='whole_batch_collate'),
    drop_last=False,
)

val_dataloader = dict(
    batch_size=128,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        type='mmpretrain.InMemoryCIFAR10',
        data_root='data/cifar10',
        split='test',
        test_mode=True,
    ),
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='whole_batch_collate'),
    drop_last=False,
)
val_evaluator = dict(type='mmpretrain.Accuracy', topk=(1,))

test_dataloader = val_dataloader
test_evaluator = val_evaluator
