# Minutes on a CPU: does every method train? The figures mean little.
_base_ = ['./_base_/methods.py']

title = 'Smoke test: digits, ResNet20 -> ResNet8'
pairs = ['resnet20_resnet8_1xb64_digits']
seeds = [0]
epochs = 2
teacher_epochs = 3
