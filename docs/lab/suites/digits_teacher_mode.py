# What the teacher's mode does to OFD and ReviewKD, whose authors train with a
# teacher in train mode: minutes on a CPU.
_base_ = ['../../../configs/benchmark/_base_/methods.py']

title = 'Digits, ResNet20 -> ResNet8, a teacher in eval and in train mode'
pairs = ['resnet20_resnet8_1xb64_digits']
epochs = 15
teacher_epochs = 15
methods = [
    method
    for title, name in (('OFD', 'ofd'), ('ReviewKD', 'reviewkd'))
    for method in (
        dict(title=title, config=f'configs/{name}/{name}_{{pair}}.py'),
        dict(
            title=f'{title}, teacher in train mode',
            config=f'configs/{name}/{name}_{{pair}}.py',
            options={'model.teacher_train_mode': True},
        ),
    )
]
reference = 'OFD'
