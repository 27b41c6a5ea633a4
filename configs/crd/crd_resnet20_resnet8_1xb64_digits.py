_base_ = [
    '../_base_/models/cifar_resnet20_resnet8.py',
    '../_base_/distillers/crd.py',
    '../_base_/datasets/digits_bs64.py',
    '../_base_/schedules/digits.py',
    '../_base_/default_runtime.py',
]

# so few images have fewer than 16384 of other classes
crd_distiller = _base_.crd_distiller
crd_distiller.distill_losses.loss_crd.update(
    num_samples=1352, num_negatives=1024
)

model = dict(
    teacher_ckpt='work_dirs/resnet20_1xb64_digits/epoch_15.pth',
    distiller=crd_distiller,
)
