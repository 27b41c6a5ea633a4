_base_ = [
    '../_base_/networks/resnet18_imagenet.py',
    'mmpretrain::_base_/datasets/imagenet_bs32.py',
    '../_base_/schedules/imagenet_100e.py',
    '../_base_/default_runtime.py',
]

model = _base_.resnet18
