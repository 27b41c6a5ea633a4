# 1,352 training images need many epochs of few iterations.
_base_ = ['./cifar_short.py']

optim_wrapper = dict(optimizer=dict(lr=0.1))
train_cfg = dict(max_epochs=15)
auto_scale_lr = dict(base_batch_size=64)
