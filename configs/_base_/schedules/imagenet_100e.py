# mmpretrain's schedule for ImageNet, which is the literature's: 100 epochs,
# x0.1 at 30, 60 and 90, learning rate 0.1 at batch 256.
_base_ = 'mmpretrain::_base_/schedules/imagenet_bs256.py'

custom_hooks = [
    # refuses a number of classes that differs between model and data
    dict(type='ClassCountHook'),
    # ends a training whose loss is not finite
    dict(type='DivergenceHook'),
    # a resumed training goes on as if it had not stopped
    dict(type='EpochSeedHook'),
    # for CRD; without it, nothing happens
    dict(type='SampleLabelsHook'),
    # evaluates the teacher, if there is one, once
    dict(type='TeacherAccuracyHook'),
]
