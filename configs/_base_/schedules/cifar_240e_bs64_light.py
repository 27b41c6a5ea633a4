# The same for MobileNets and ShuffleNets, which the literature trains with a
# fifth of the learning rate.
_base_ = './cifar_240e_bs64.py'

optim_wrapper = dict(optimizer=dict(lr=0.01))
