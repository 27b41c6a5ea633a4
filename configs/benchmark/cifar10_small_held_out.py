# cifar10_ablation with a teacher that hasn't seen the images which choose, as
# cifar10_held_out is for the larger pair, and the strongest baseline of
# cifar10_tuning.
_base_ = ['./cifar10_ablation.py']

title = 'A split that the teacher has not seen: CIFAR-10, ResNet20 -> ResNet8'
teacher_checkpoints = dict(_delete_=True)
teacher_options = _base_.options
methods = _base_.methods + [
    dict(title='ReviewKD', config='configs/reviewkd/reviewkd_{pair}.py')
]
