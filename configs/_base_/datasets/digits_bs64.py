# scikit-learn's handwritten digits, held in memory: nothing is downloaded.
# No flip (a mirrored 2 is no digit); the crop's black border looks like the
# paper that the digits are written on.
data_preprocessor = dict(
    type='mmpretrain.ClsDataPreprocessor',
    num_classes=10,
    # the training images' mean and standard deviation
    mean=[77.758, 77.758, 77.758],
    std=[95.790, 95.790, 95.790],
    to_rgb=False,
)

train_dataloader = dict(
    batch_size=64,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        type='mmpretrain.Digits',
        split='train',
        pipeline=[dict(type='mmpretrain.BatchRandomCrop', padding=4)],
    ),
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='whole_batch_collate'),
    drop_last=False,
)

val_dataloader = dict(
    batch_size=64,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(type='mmpretrain.Digits', split='test', test_mode=True),
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='whole_batch_collate'),
    drop_last=False,
)
val_evaluator = dict(type='mmpretrain.Accuracy', topk=(1,))

test_dataloader = val_dataloader
test_evaluator = val_evaluator
