# A short budget for small machines: 10 epochs, one cycle of the learning rate
# (a cosine from 0.2 down to 0, times a linear warm-up over 2 epochs),
# bfloat16, channels last. Another number of epochs stretches the cosine:
#   --cfg-options train_cfg.max_epochs=30
optim_wrapper = dict(
    type='Bfloat16OptimWrapper',
    optimizer=dict(type='SGD', lr=0.2, momentum=0.9, weight_decay=5e-4),
)
param_scheduler = [
    dict(type='CosineAnnealingLR', by_epoch=True, convert_to_iter_based=True),
    dict(
        type='LinearLR',
        start_factor=0.04,
        end=2,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
train_cfg = dict(by_epoch=True, max_epochs=10, val_interval=1)
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
    dict(type='ChannelsLastHook'),
]

# The published 20 of 240 epochs, of this short training.
warmup = dict(epochs=None, fraction=1 / 12)
method_settings = dict(
    dkd_distiller=dict(distill_losses=dict(loss_dkd=warmup)),
    reviewkd_distiller=dict(distill_losses=dict(loss_review=warmup)),
    fcfd_distiller=dict(feature_loss=warmup),
    rld_distiller=dict(distill_losses=dict(loss_rld=warmup)),
)
del warmup
