# A PSPNet of a quarter of the usual width, from scratch. Its teacher is
#   --cfg-options model.backbone.depth=50 model.decode_head.in_channels=512 \
#       model.auxiliary_head.in_channels=256
_base_ = [
    'mmseg::_base_/models/pspnet_r50-d8.py',
    'mmseg::_base_/schedules/schedule_20k.py',
    'mmseg::_base_/default_runtime.py',
    '../../_base_/datasets/cifar10_canvas_seg.py',
]

data_preprocessor = dict(size=(96, 96))
norm_cfg = dict(type='BN', requires_grad=True)
model = dict(
    pretrained=None,
    data_preprocessor=data_preprocessor,
    backbone=dict(
        depth=18, stem_channels=16, base_channels=16, norm_cfg=norm_cfg
    ),
    decode_head=dict(
        in_channels=128, channels=64, num_classes=4, norm_cfg=norm_cfg
    ),
    auxiliary_head=dict(
        in_channels=64, channels=32, num_classes=4, norm_cfg=norm_cfg
    ),
)

optim_wrapper = dict(optimizer=dict(lr=0.03))
param_scheduler = [
    dict(type='PolyLR', eta_min=1e-4, power=0.9, end=300, by_epoch=False)
]
train_cfg = dict(max_iters=300, val_interval=300)
default_hooks = dict(checkpoint=dict(interval=150))
randomness = dict(seed=0)
