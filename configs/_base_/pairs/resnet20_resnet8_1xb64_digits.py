# Teacher, student, data and schedule: all that the methods of this pair share.
_base_ = [
    '../models/cifar_resnet20_resnet8.py',
    '../datasets/digits_bs64.py',
    '../schedules/digits.py',
    '../default_runtime.py',
]

model = dict(teacher_ckpt='work_dirs/resnet20_1xb64_digits/epoch_15.pth')
