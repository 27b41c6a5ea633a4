# Does LAKD's lead come back on the main table's pair with a teacher further
# above its students? cifar10_short with a teacher of 30 epochs in place of 15:
# on two cores 100 minutes, and 17 a student.
_base_ = ['./cifar10_short.py']

title = 'CIFAR-10, ResNet56 -> ResNet20, a stronger teacher'
teacher_epochs = 30
