# What the Cityscapes config of LAKD over CWD needs at SIDE x SIDE pixels, an
# environment variable: the canvas's pictures enlarged, and batch normalisation
# of one device. With model.distiller.local_modules=[] it is CWD.
_base_ = (
    '../../../configs/lakd/mmseg/'
    'lakd_pspnet_r101-d8_pspnet_r18-d8_4xb2-80k_cityscapes-512x1024.py'
)

side = ({{'$SIDE:512'}},) * 2
teacher = '{{ fileDirname }}/pspnet_r101.py'
model = dict(
    architecture=dict(
        cfg_path=teacher,
        backbone=dict(depth=18),
        decode_head=dict(in_channels=512, channels=128),
        auxiliary_head=dict(in_channels=256, channels=64),
    ),
    teacher=dict(cfg_path=teacher),
    teacher_ckpt=None,
)
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        _delete_=True,
        type='mmseg.BaseSegDataset',
        data_root='data/cifar10_canvas',
        data_prefix=dict(
            img_path='img_dir/train', seg_map_path='ann_dir/train'
        ),
        img_suffix='.png',
        seg_map_suffix='.png',
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='Resize', scale=side),
            dict(type='PackSegInputs'),
        ],
    ),
)
