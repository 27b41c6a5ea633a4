# The literature's schedule for CIFAR at its own batch size of 64.
_base_ = './cifar_240e.py'

optim_wrapper = dict(optimizer=dict(lr=0.05))
auto_scale_lr = dict(base_batch_size=64)
