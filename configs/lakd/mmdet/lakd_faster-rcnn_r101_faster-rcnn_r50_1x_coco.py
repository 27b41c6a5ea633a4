# The pyramid of Faster R-CNN begins with the map of stage 1. It passes around
# the cut behind stage 2, which is allowed, since stage 1 is frozen.
_base_ = './lakd_retinanet_r50_retinanet_r18_1x_coco.py'

model = dict(
    architecture=dict(
        cfg_path='mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'
    ),
    teacher=dict(
        cfg_path='mmdet::faster_rcnn/faster-rcnn_r101_fpn_1x_coco.py'
    ),
    teacher_ckpt='https://download.openmmlab.com/mmdetection/v2.0/faster_rcnn/'
    'faster_rcnn_r101_fpn_1x_coco/'
    'faster_rcnn_r101_fpn_1x_coco_20200130-f513f705.pth',
    distiller=dict(distill_losses=dict(loss_pkd=dict(loss_weight=6))),
)

optim_wrapper = dict(optimizer=dict(lr=0.02))
