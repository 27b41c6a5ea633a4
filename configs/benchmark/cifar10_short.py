# The main table's pair with a budget for CPUs with fast bfloat16: ten epochs
# and a cosine of the learning rate, as cifar10_small has it.
_base_ = ['./cifar10.py']

title = 'CIFAR-10, ResNet56 -> ResNet20, a short budget'
epochs = 10
teacher_epochs = 15
teacher_options = options = {
    'optim_wrapper.type': 'Bfloat16OptimWrapper',
    'default_hooks.channels_last.type': 'ChannelsLastHook',
    # in place of the steps
    'param_scheduler._delete_': True,
    'param_scheduler.type': 'CosineAnnealingLR',
    'param_scheduler.by_epoch': True,
    'param_scheduler.convert_to_iter_based': True,
}
