# 200 trainings of one step each.
_base_ = ['../../configs/benchmark/_base_/methods.py']

title = 'Two hundred trainings'
pairs = ['resnet20_resnet8_1xb64_digits']
methods = [
    dict(title='KD', config='configs/kd/kd_{pair}.py'),
    dict(title='LAKD', config='configs/lakd/lakd_{pair}.py'),
]
seeds = list(range(100))
epochs = 1
teacher_epochs = 1
teacher_options = options = {
    'train_dataloader.dataset.indices': 64,
    'val_dataloader.dataset.indices': 20,
}
