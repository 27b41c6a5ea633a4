# cifar10_published_tuning with a teacher that hasn't seen the images which
# choose: both networks are trained on the first 45,000 training images. The
# published teacher knows the last 5,000 by heart, which favours whoever copies
# it most closely (docs/en/notes/experiments.md).
_base_ = ['./cifar10_published_tuning.py']

title = 'A split that the teacher has not seen: CIFAR-10, ResNet56 -> ResNet20'
teacher_checkpoints = dict(_delete_=True)
teacher_epochs = 30
options = {
    '_delete_': True,
    **_base_.teacher_options,
    'train_dataloader.dataset.indices': 45000,
    'val_dataloader.dataset.split': 'train',
    'val_dataloader.dataset.indices': -5000,
}
teacher_options = options
