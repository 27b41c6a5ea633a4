# The distillation literature's schedule for CIFAR: 240 epochs, x0.1 at 150,
# 180 and 210, learning rate 0.05 at batch 64 and so 0.1 at batch 128.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=5e-4),
)
param_scheduler = dict(
    type='MultiStepLR', by_epoch=True, milestones=[150, 180, 210], gamma=0.1
)
train_cfg = dict(by_epoch=True, max_epochs=240, val_interval=1)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(base_batch_size=128, enable=False)
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
