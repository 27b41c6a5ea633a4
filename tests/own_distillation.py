"""A user's own distillation: mmpretrain's networks and pipeline, own files."""

import subprocess
import sys
from pathlib import Path

import cv2
from conftest import read_config
from mmengine.runner import Runner
from processes import clean_environment, write

from mmrazor_lakd.datasets import Digits

CONFIG = """
custom_imports = dict(imports=['mmrazor_lakd'])
default_scope = 'mmpretrain'
mine = 'a variable of the user'


def network(width):
    return dict(
        _scope_='mmpretrain',
        type='ImageClassifier',
        backbone=dict(
            type='ResNet_CIFAR', depth=18, base_channels=width,
            stem_channels=width,
        ),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(type='LinearClsHead', num_classes=10, in_channels=8 * width),
    )


model = dict(
    _scope_='mmrazor',
    type='FrozenTeacherDistill',
    architecture=dict(
        network(4), train_cfg=dict(augments=dict(type='Mixup', alpha=0.8))
    ),
    teacher=network(8),
    predict_teacher=True,
    distiller=dict(
        type='LAKDDistiller',
        local_modules=[
            dict(student='backbone.layer1', teacher='backbone.layer1')
        ],
    ),
)
data_preprocessor = dict(
    num_classes=10, mean=[77.0] * 3, std=[95.0] * 3, to_rgb=True
)


def loader(split, *transforms):
    return dict(
        batch_size=64,
        num_workers=1,
        dataset=dict(
            type='CustomDataset',
            data_root=FOLDER + '/' + split,
            pipeline=[
                dict(type='LoadImageFromFile'),
                *transforms,
                dict(type='PackInputs'),
            ],
        ),
        sampler=dict(type='DefaultSampler', shuffle=split == 'train'),
    )


train_dataloader = loader('train', dict(type='RandomCrop', crop_size=32))
val_dataloader = loader('test')
test_dataloader = val_dataloader
val_evaluator = [
    dict(type='Accuracy', topk=(1, 3)), dict(type='TeacherAgreement')
]
test_evaluator = val_evaluator[:1]
train_cfg = dict(by_epoch=True, max_epochs=EPOCHS, val_interval=1000)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type='Bfloat16OptimWrapper',
    optimizer=dict(type='SGD', lr=0.1, momentum=0.9),
    paramwise_cfg=dict(custom_keys={'architecture.head': dict(lr_mult=2.0)}),
)
default_hooks = dict(
    checkpoint=dict(type='SafeCheckpointHook', interval=1),
    visualization=dict(type='VisualizationHook'),
)
custom_hooks = [
    dict(type='DivergenceHook'), dict(type='EMAHook', momentum=0.1)
]
visualizer = dict(type='UniversalVisualizer')
"""
# The environment of somebody who has mmpretrain alone.
WITHOUT = """
import sys


class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in ('mmrazor', 'mmrazor_lakd'):
            raise ModuleNotFoundError(f'No module named {name!r}')


sys.meta_path.insert(0, Absent())
"""


def write_project(folder, epochs=1, train=128, test=445):
    """Write images and the config of a distillation; return the config."""
    for split, number in (('train', train), ('test', test)):
        digits = Digits(split=split, indices=number)
        for i in range(number):
            info = digits.get_data_info(i)
            path = folder / split / str(info['gt_label']) / f'{i}.png'
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), info['img'])
    settings = CONFIG.replace('FOLDER', repr(str(folder)))
    return write(folder / 'mine.py', settings.replace('EPOCHS', repr(epochs)))


def train_project(config):
    """Train it here; return the checkpoint."""
    cfg = read_config(config)
    cfg.work_dir = str(config.parent / 'work')
    cfg.experiment_name = str(config)
    cfg.train_dataloader.num_workers = 0
    Runner.from_cfg(cfg).train()
    return config.parent / 'work' / f'epoch_{cfg.train_cfg.max_epochs}.pth'


def tool_of(package, name):
    """The path of an OpenMMLab package's own tool."""
    module = sys.modules[package]
    return Path(module.__file__).parent / '.mim' / 'tools' / name


def run_python(*arguments, folder, package=None):
    """Run Python in a folder, with our package at a path, or without it."""
    path = package
    if package is None:
        path = write(folder / 'without' / 'sitecustomize.py', WITHOUT).parent
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        env={**clean_environment(), 'PYTHONPATH': str(path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout
