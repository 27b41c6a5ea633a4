_base_ = [
    '../_base_/models/resnet34_resnet18.py',
    '../_base_/distillers/kd_imagenet.py',
    '../_base_/datasets/imagenet_bs32.py',
    '../_base_/schedules/imagenet_100e.py',
    '../_base_/default_runtime.py',
]

model = dict(
    architecture=dict(head=dict(loss=dict(loss_weight=0.5))),
    # mmpretrain's own, downloaded on first use; 73.62 top-1 as published
    teacher_ckpt='https://download.openmmlab.com/mmclassification/v0/resnet/'
    'resnet34_8xb32_in1k_20210831-f257d4e6.pth',
    distiller={{_base_.kd_distiller}},
)
