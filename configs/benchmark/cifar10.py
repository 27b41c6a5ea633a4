# The main table: the literature's 240 epochs. A smaller budget is written
#   --cfg-options epochs=12 teacher_epochs=30
# with the steps of the learning rate moved alike.
_base_ = ['./_base_/methods.py']

title = 'CIFAR-10, ResNet56 -> ResNet20'
pairs = ['resnet56_resnet20_1xb128_cifar10']
methods = _base_.methods
# resnet20_1xb128_cifar10 is the small pair's teacher, with a short schedule.
methods[0].update(config='configs/teachers/{student}_240e_{recipe}.py')
methods += [
    dict(
        title=f'LAKD, {head}',
        config=f'configs/lakd/lakd_{{pair}}_{head.lower()}.py',
    )
    for head in ('pooled', 'OFD')
]
