"""Every config resolves, builds and trains on images of its data's format."""

import time
from copy import deepcopy
from functools import lru_cache

import pytest
import torch
from conftest import ROOT
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample

from mmrazor_lakd.losses import NegativeSampler

CONFIGS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / 'configs').glob('[a-z]*/*.py')
    if path.parent.name != 'benchmark'  # suites, of these configs
)
# Those of a pair; the folders `teachers` and `memory_growth` are none.
OF_PAIRS = [
    path
    for path in CONFIGS
    if path.split('/')[1] not in ('teachers', 'memory_growth')
]


def is_copy(path):
    """Whether a config has a like one for CIFAR-100, see the test below."""
    return path.endswith('_1xb64_cifar10.py')


def marks(path):
    """Leave out what another config shows, and the largest: half the time."""
    large = path.endswith('_resnet50_mobilenetv1_8xb32_imagenet.py')
    large |= path.endswith('crd_resnet34_resnet18_8xb32_imagenet.py')
    return [pytest.mark.slow] if is_copy(path) or large else []


@lru_cache(maxsize=None)
def _resolved(path):
    return Config.fromfile(ROOT / path)


def resolve(path):
    """Read a config, once."""
    return deepcopy(_resolved(path))


def build_model(cfg):
    init_default_scope(cfg.default_scope)
    cfg.model.setdefault('data_preprocessor', cfg.data_preprocessor)
    return MODELS.build(cfg.model)


@pytest.fixture(autouse=True)
def _no_training_under_way():
    """A warm-up looks into the hub of the newest training."""
    MessageHub.get_instance(f'test_configs_{time.monotonic_ns()}')


@pytest.mark.parametrize(
    'path',
    [pytest.param(path, marks=marks(path)) for path in CONFIGS],
)
def test_two_iterations(path):
    cfg = resolve(path)
    model = build_model(cfg)
    model.train()
    for module in model.modules():
        if isinstance(module, NegativeSampler):  # SampleLabelsHook's work
            module.take_labels(torch.arange(module.num_samples) % 10)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    generator = torch.Generator().manual_seed(0)
    count, size = (2, 224) if path.endswith('imagenet.py') else (4, 32)
    for _ in range(2):
        images = torch.randint(
            0, 256, (count, 3, size, size), generator=generator
        )
        data = dict(
            inputs=images.to(torch.uint8),
            data_samples=[
                DataSample(metainfo=dict(sample_idx=i)).set_gt_label(i)
                for i in range(count)
            ],
        )
        data = model.data_preprocessor(data, training=True)
        loss, _ = model.parse_losses(model(**data, mode='loss'))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.isfinite()
    if hasattr(model, 'teacher'):
        assert all(p.grad is None for p in model.teacher.parameters())
        # A bias before a batch normalisation has no gradient but rounding.
        assert all(p.grad is not None for p in model.distiller.parameters())
    trained = getattr(model, 'architecture', model)
    assert all(
        param.grad is not None and param.grad.abs().sum() > 0
        for param in trained.parameters()
    )


@pytest.mark.parametrize('path', [path for path in CONFIGS if is_copy(path)])
def test_cifar10_differs_from_cifar100_in_the_data_alone(path):
    """So that training one of the two in `make test` is enough."""
    ours = resolve(path).to_dict()
    like = resolve(path.replace('cifar10.py', 'cifar100.py')).to_dict()
    for cfg, name, classes in ((ours, 'cifar10', 10), (like, 'cifar100', 100)):
        for key in list(cfg):
            if key.startswith(('train_data', 'val_', 'test_')):
                del cfg[key]
        assert cfg.pop('data_preprocessor')['num_classes'] == classes
        model = cfg['model']
        if 'teacher' in model:
            ckpt = model.pop('teacher_ckpt')
            assert ckpt.endswith(f'_1xb64_{name}/epoch_240.pth')
        for role in ('teacher', 'architecture'):
            head = model.get(role, model)['head']
            assert head.get('num_classes', classes) == classes
            head.pop('num_classes', None)
        for network in cfg.values():  # the bases that the model is made of
            if isinstance(network, dict) and 'head' in network:
                network['head'].pop('num_classes', None)
    assert ours == like


@pytest.mark.parametrize(
    'path', [path for path in OF_PAIRS if path.split('/')[1] != 'kd']
)
def test_methods_of_a_pair_differ_in_the_distiller_alone(path):
    """Against KD, whose cross-entropy has another weight by its recipe."""
    method = path.split('/')[1]
    ours = resolve(path).to_dict()
    kd = resolve(path.replace(method, 'kd')).to_dict()
    ours.pop(f'{method}_distiller')
    weight = 0.5 if path.endswith('imagenet.py') else 0.1
    lies_over = dict(
        lakd=['dkd'], lakd_ofd=['lakd', 'ofd'], lakd_pooled=['lakd']
    )
    for other in lies_over.get(method, ()):
        its = resolve(path.replace(method, other)).to_dict()
        name = f'{other}_distiller'
        assert ours.pop(name) == its[name]
    loss = ours['model']['architecture']['head']['loss']
    assert loss['loss_weight'] == 1.0
    loss['loss_weight'] = weight
    kd.pop('kd_distiller')
    loss = kd['model']['architecture']['head']['loss']
    assert loss['loss_weight'] == weight
    assert ours['model'].pop('distiller') != kd['model'].pop('distiller')
    assert ours == kd


def test_names_say_what_is_in_them():
    """{method}_{teacher}_{student}_{gpus}xb{batch}_{data}.py"""
    for path in CONFIGS:
        cfg = resolve(path)
        *_, batch, data = path[: -len('.py')].split('_')
        gpus = 8 if data == 'imagenet' else 1
        assert batch == f'{gpus}xb{cfg.train_dataloader.batch_size}'
        kind = cfg.train_dataloader.dataset.type.lower().split('.')[-1]
        assert kind.replace('inmemory', '') == data
