"""A project of a user's: a package with data, base files, configs."""

from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS
from processes import write

DATA = '''
import numpy as np
from mmpretrain.datasets import BaseDataset
from mmpretrain.registry import DATASETS


@DATASETS.register_module()
class Shelves(BaseDataset):
    """Random images of four kinds of shelves."""

    METAINFO = dict(classes=['empty', 'low', 'full', 'mixed'])

    def load_data_list(self):
        random = np.random.default_rng(0)
        return [
            dict(
                img=random.integers(0, 256, (40, 40, 3), dtype=np.uint8),
                gt_label=index % 4,
            )
            for index in range(24)
        ]
'''
BASE = """
default_scope = 'mmpretrain'
custom_imports = dict(imports=['shop.data'], allow_failed_imports=False)
data_preprocessor = dict(
    num_classes=4, mean=[120.0] * 3, std=[60.0] * 3, to_rgb=True
)
train_pipeline = [
    dict(type='RandomResizedCrop', scale=SIDE),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackInputs'),
]
train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(type='Shelves', ann_file='', pipeline=train_pipeline),
    sampler=dict(type='DefaultSampler', shuffle=True),
)
test_pipeline = [dict(type='ResizeEdge', scale=SIDE), dict(type='PackInputs')]
val_dataloader = dict(
    batch_size=8,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        type='Shelves', ann_file='', pipeline=test_pipeline, test_mode=True
    ),
    sampler=dict(type='DefaultSampler', shuffle=False),
)
val_evaluator = dict(type='Accuracy', topk=(1,))
test_dataloader = val_dataloader
test_evaluator = val_evaluator
train_cfg = dict(type='IterBasedTrainLoop', max_iters=2, val_interval=2)
val_cfg = dict()
test_cfg = dict()
default_hooks = dict(
    checkpoint=dict(type='CheckpointHook', interval=2, by_epoch=False)
)
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.01, momentum=0.9))
env_cfg = dict(mp_cfg=dict(mp_start_method='fork'))
randomness = dict(seed=0)
"""
HEAD = "head=dict(type='LinearClsHead', num_classes=4, in_channels={})"
GAP = "neck=dict(type='GlobalAveragePooling')"
#: the backbone, the neck and the head of each network
NETWORKS = {
    'resnet18': (
        "type='ResNet_CIFAR', depth=18, stem_channels=16, base_channels=16",
        GAP,
        HEAD.format(128),
    ),
    'resnet34': (
        "type='ResNet_CIFAR', depth=34, stem_channels=16, base_channels=16",
        GAP,
        HEAD.format(128),
    ),
    'repvgg': (
        "type='RepVGG', arch='A0', out_indices=(3,)",
        GAP,
        HEAD.format(1280),
    ),
    'convnext': (
        "type='ConvNeXt', arch='atto'",
        'neck=None',
        HEAD.format(320),
    ),
    'efficientnet': ("type='EfficientNet', arch='b0'", GAP, HEAD.format(1280)),
    'mobilenet': (
        "type='MobileNetV2', widen_factor=0.5",
        GAP,
        HEAD.format(1280),
    ),
    'mobilenet_v3': (
        "type='MobileNetV3', arch='small'",
        GAP,
        "head=dict(type='StackedLinearClsHead', num_classes=4, "
        'in_channels=576, mid_channels=[1024])',
    ),
    'swin': (
        "type='SwinTransformer', arch='tiny', img_size=32, patch_size=2, "
        'window_size=2',
        GAP,
        HEAD.format(768),
    ),
    'vit': (
        "type='VisionTransformer', arch='deit-t', img_size=32, patch_size=8",
        'neck=None',
        "head=dict(type='VisionTransformerClsHead', num_classes=4, "
        'in_channels=192)',
    ),
}


def make_project(folder: Path, side: int = 32) -> Path:
    """Write a project of a user's; return its folder."""
    write(folder / 'shop/__init__.py')
    write(folder / 'shop/data.py', DATA)
    base = BASE.replace('SIDE', str(side))
    write(folder / 'configs/_base_/shelves.py', base)
    for name, parts in NETWORKS.items():
        write(folder / f'configs/{name}.py', network_config(*parts))
    return folder


def network_config(backbone: str, neck: str, head: str, more: str = '') -> str:
    """The text of a config over the project's base."""
    return f"""_base_ = './_base_/shelves.py'

model = dict(
    type='ImageClassifier',
    backbone=dict({backbone}),
    {neck},
    {head},{more}
)
"""


def save_teacher(config: Path, path: Path) -> Path:
    """Save random weights of a config's network."""
    cfg = Config.fromfile(config, import_custom_modules=False)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(cfg.model)
    torch.save(dict(state_dict=model.state_dict()), path)
    return path
