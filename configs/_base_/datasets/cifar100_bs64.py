# CIFAR-100 held in memory, augmented a whole batch at a time.
data_preprocessor = dict(
    type='mmpretrain.ClsDataPreprocessor',
    num_classes=100,
    # 255 times the literature's .5071, .4867, .4408 and .2675, .2565, .2761
    mean=[129.310, 124.109, 112.404],
    std=[68.213, 65.407, 70.406],
    to_rgb=False,
)

train_dataloader = dict(
    batch_size=64,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        type='mmpretrain.InMemoryCIFAR100',
        data_root='data/cifar100',
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
    batch_size=64,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        type='mmpretrain.InMemoryCIFAR100',
        data_root='data/cifar100',
        split='test',
        test_mode=True,
    ),
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='whole_batch_collate'),
    drop_last=False,
)
val_evaluator = dict(type='mmpretrain.Accuracy', topk=(1, 5))

test_dataloader = val_dataloader
test_evaluator = val_evaluator
