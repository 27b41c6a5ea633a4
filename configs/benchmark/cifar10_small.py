# All methods on all of CIFAR-10, for a CPU: hours.
_base_ = ['./_base_/methods.py']

title = 'CIFAR-10, ResNet20 -> ResNet8, a short budget'
pairs = ['resnet20_resnet8_1xb128_cifar10']
# Ten are better where bfloat16 is fast: --cfg-options epochs=10
epochs = 5
teacher_epochs = 20
