# CIFAR-10 through mmpretrain's own per-image pipeline, for comparison with
# `cifar10_bs128.py`: the same images and the same random crop and flip.
_base_ = './cifar10_bs128.py'

train_dataloader = dict(
    num_workers=2,
    persistent_workers=True,
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='mmpretrain.ConvertedCIFAR10',
        pipeline=[
            dict(type='mmpretrain.RandomCrop', crop_size=32, padding=4),
            dict(
                type='mmpretrain.RandomFlip', prob=0.5, direction='horizontal'
            ),
            dict(type='mmpretrain.PackInputs'),
        ],
    ),
)

val_dataloader = dict(
    num_workers=2,
    persistent_workers=True,
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='mmpretrain.ConvertedCIFAR10',
        pipeline=[dict(type='mmpretrain.PackInputs')],
    ),
)

test_dataloader = val_dataloader
