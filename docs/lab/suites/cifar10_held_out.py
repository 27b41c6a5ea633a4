# cifar10_published_tuning with a teacher that hasn't seen the images which
# choose: both networks are trained on the first 45,000 training images. The
# published teacher knows the last 5,000 by heart, which favours whoever copies
# it most closely (docs/lab/lakd_over_ofd.md).
_base_ = ['./cifar10_published_tuning.py']

title = 'A split that the teacher has not seen: CIFAR-10, ResNet56 -> ResNet20'
teacher_checkpoints = dict(_delete_=True)
teacher_epochs = 30
# all but the published teacher's mean and standard deviation
teacher_options = {
    key: value
    for key, value in _base_.options.items()
    if not key.startswith('data_preprocessor.')
}
options = dict(_delete_=True, **teacher_options)
