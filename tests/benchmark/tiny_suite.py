# Two methods on a few digits: what the tests of tools/benchmark.py train.
_base_ = ['../../configs/benchmark/_base_/methods.py']

title = 'A few digits'
pairs = ['resnet20_resnet8_1xb64_digits']
methods = [
    dict(title='alone', config='configs/teachers/{student}_{recipe}.py'),
    dict(title='KD', config='configs/kd/kd_{pair}.py'),
    dict(
        title='LAKD, no cuts',
        config='configs/lakd/lakd_{pair}.py',
        options={
            'model.distiller.local_modules.0.isolate': False,
            'model.distiller.local_modules.1.isolate': False,
        },
    ),
]
seeds = [0, 1]
epochs = 3
teacher_epochs = 2
options = {
    'train_dataloader.dataset.indices': 192,
    'val_dataloader.dataset.indices': 200,
}
