_base_ = './lakd_pspnet_r101-d8_pspnet_r18-d8_4xb2-80k_cityscapes-512x1024.py'

model = dict(
    architecture=dict(
        cfg_path='mmseg::deeplabv3/'
        'deeplabv3_r18-d8_4xb2-80k_cityscapes-512x1024.py'
    ),
    teacher=dict(
        cfg_path='mmseg::deeplabv3/'
        'deeplabv3_r101-d8_4xb2-80k_cityscapes-512x1024.py'
    ),
    teacher_ckpt='https://download.openmmlab.com/mmsegmentation/v0.5/'
    'deeplabv3/deeplabv3_r101-d8_512x1024_80k_cityscapes/'
    'deeplabv3_r101-d8_512x1024_80k_cityscapes_20200606_113503-9e428899.pth',
)
