# What a method still gives when its teacher is hardly better than its students
# are alone: cifar10_small with a teacher of 5 epochs in place of 20.
_base_ = ['../../../configs/benchmark/cifar10_small.py']

title = 'CIFAR-10, ResNet20 -> ResNet8, a weak teacher'
teacher_epochs = 5
