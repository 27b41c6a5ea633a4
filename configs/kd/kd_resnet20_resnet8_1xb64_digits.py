_base_ = [
    '../_base_/models/cifar_resnet20_resnet8.py',
    '../_base_/distillers/kd.py',
    '../_base_/datasets/digits_bs64.py',
    '../_base_/schedules/digits.py',
    '../_base_/default_runtime.py',
]

model = dict(
    architecture=dict(head=dict(loss=dict(loss_weight=0.1))),
    teacher_ckpt='work_dirs/resnet20_1xb64_digits/epoch_15.pth',
    distiller={{_base_.kd_distiller}},
)
