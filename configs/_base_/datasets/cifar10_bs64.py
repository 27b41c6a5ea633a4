# The literature's batch size.
_base_ = './cifar10_bs128.py'

train_dataloader = dict(batch_size=64)
val_dataloader = dict(batch_size=64)
test_dataloader = val_dataloader
