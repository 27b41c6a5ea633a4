# Like RetinaNet's pyramid, that of FCOS begins with the map of stage 2.
_base_ = './lakd_retinanet_r50_retinanet_r18_1x_coco.py'

model = dict(
    architecture=dict(
        cfg_path='mmdet::fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py'
    ),
    teacher=dict(
        cfg_path='mmdet::fcos/fcos_r101-caffe_fpn_gn-head-1x_coco.py'
    ),
    teacher_ckpt='https://download.openmmlab.com/mmdetection/v2.0/fcos/'
    'fcos_r101_caffe_fpn_gn-head_1x_coco/'
    'fcos_r101_caffe_fpn_gn-head_1x_coco-0e37b982.pth',
)

optim_wrapper = dict(
    paramwise_cfg=dict(bias_lr_mult=2.0, bias_decay_mult=0.0),
    clip_grad=dict(max_norm=35, norm_type=2),
)
