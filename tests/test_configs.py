"""Every config resolves, builds and trains on images of its data's format.

Those of a method and a pair are written into a temporary folder, all
combinations of them; the tree has some of these files.
"""

from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from conftest import ROOT
from mmengine.config import Config, ConfigDict
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample

from mmrazor_lakd.config_writer import (
    choose,
    config_path,
    config_text,
    find_choice,
    list_methods,
    list_pairs,
    write_config,
)
from mmrazor_lakd.distillers.named_stages import expand_model, names_stages
from mmrazor_lakd.losses import NegativeSampler

pytestmark = pytest.mark.usefixtures('no_training_under_way')

CONFIGS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / 'configs').glob('[a-z]*/*.py')
    if path.parent.name != 'benchmark'  # suites, of these configs
)
TREE = ROOT / 'configs'
METHODS, PAIRS = list_methods(TREE), list_pairs(TREE)
DIGITS = 'resnet20_resnet8_1xb64_digits'
# A pair of each other kind of networks. `make test` trains a method with two
# of them in turn, and each of LARGE with all.
KINDS = (
    'wrn-40-2_wrn-16-2_1xb64_cifar100',
    'vgg13_vgg8_1xb64_cifar100',
    'resnet32x4_shufflenetv1_1xb64_cifar100',
    'resnet32x4_shufflenetv2_1xb64_cifar100',
    'resnet50_mobilenetv2_1xb64_cifar100',
    'resnet34_resnet18_8xb32_imagenet',
)
# Those whose last module learns as in KD.
OVER_KD = ('local', 'blockwise')
# Of the methods, those whose maps are others or need the size on ImageNet.
LARGE = ('lakd', 'reviewkd')
# Methods whose student has another head.
OTHER_HEADS = ('norm', 'simkd')
COMBINATIONS = [(method, pair) for method in METHODS for pair in PAIRS]
WRITTEN = TemporaryDirectory()


def trains(method, pair):
    """Whether a method fits a pair: some need maps of equal width."""
    unequal = ('shufflenet', 'mobilenet', 'wrn-40-1')
    equal = ('lakd_ofd', 'lakd_pooled', 'blockwise')
    return method not in equal or not any(name in pair for name in unequal)


def is_copy(name):
    """Whether a config has a like one for CIFAR-100, see the test below."""
    return name.endswith('_1xb64_cifar10')


def marks(method, pair):
    """Leave out what another pair or method shows, and the largest."""
    turn = 2 * METHODS.index(method)
    small = [kind for kind in KINDS if not kind.endswith('imagenet')]
    chosen = [DIGITS, *(small[(turn + i) % len(small)] for i in range(2))]
    if method in LARGE:
        chosen += KINDS
    return [] if pair in chosen else [pytest.mark.slow]


def of_pairs(pairs):
    """The pairs as parameters; those of CIFAR-10 that are copies are slow."""
    return [
        pytest.param(pair, marks=pytest.mark.slow if is_copy(pair) else ())
        for pair in pairs
    ]


@lru_cache(maxsize=None)
def _resolved(path):
    return Config.fromfile(ROOT / path)


def resolve(path):
    """Read a config, once."""
    return deepcopy(_resolved(str(path)))


@lru_cache(maxsize=None)
def written(method, pair):
    """Write the config of a method and a pair; its path."""
    path = Path(WRITTEN.name, f'{method}-{pair}.py')
    write_config(choose(TREE, method, pair), path)
    return path


def distiller(method, pair):
    """The distiller of a method and a pair, its stages written out."""
    model = resolve(written(method, pair)).model
    return ConfigDict(expand_model(model)['distiller'])


def build_model(cfg):
    init_default_scope(cfg.default_scope)
    cfg.model.setdefault('data_preprocessor', cfg.data_preprocessor)
    return MODELS.build(cfg.model)


def test_the_tree_has_what_the_command_writes():
    for path in CONFIGS:
        method, pair = find_choice(TREE, ROOT / path) or (None, None)
        if path.startswith('configs/teachers/'):
            continue  # written by hand; the next test compares students
        text = config_text(choose(TREE, method, pair), (ROOT / path).parent)
        assert (ROOT / path).read_text() == text, path
    assert all(config_path(TREE, 'lakd', pair).is_file() for pair in PAIRS)


@pytest.mark.parametrize('pair', of_pairs(PAIRS))
def test_the_student_alone_is_the_plain_training(pair):
    path = config_path(TREE, 'alone', pair)
    if pair == 'resnet56_resnet20_1xb128_cifar10':
        path = TREE / 'teachers/resnet20_240e_1xb128_cifar10.py'
    ours = resolve(written('alone', pair))
    assert ours.model.type == 'ImageClassifier'
    if path.is_file():
        plain = resolve(path)
        for name in ('model', 'train_dataloader', 'optim_wrapper'):
            assert ours[name] == plain[name]


@pytest.mark.parametrize('pair', of_pairs(PAIRS))
@pytest.mark.parametrize('method', METHODS)
def test_every_combination_resolves(method, pair):
    model = resolve(written(method, pair)).model
    assert not names_stages(expand_model(model).get('distiller', {}))


@pytest.mark.parametrize(
    'path',
    [
        pytest.param(
            path, marks=pytest.mark.slow if is_copy(path[:-3]) else ()
        )
        for path in CONFIGS
        if path.startswith('configs/teachers/')
    ],
)
def test_two_iterations_of_a_network(path):
    train_two_iterations(resolve(path))


@pytest.mark.parametrize(
    ('method', 'pair'),
    [
        pytest.param(method, pair, marks=marks(method, pair))
        for method, pair in COMBINATIONS
        if method != 'alone' and trains(method, pair)
    ],
)
def test_two_iterations(method, pair):
    train_two_iterations(resolve(written(method, pair)))


def train_two_iterations(cfg):
    # Of four small images, other weights may leave a channel without gradient.
    torch.manual_seed(0)
    model = build_model(cfg)
    model.train()
    for module in model.modules():
        if isinstance(module, NegativeSampler):  # SampleLabelsHook's work
            module.take_labels(torch.arange(module.num_samples) % 10)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    generator = torch.Generator().manual_seed(0)
    imagenet = cfg.train_dataloader.dataset.type == 'ImageNet'
    count, size = (2, 224) if imagenet else (4, 32)
    collate = cfg.train_dataloader.get('collate_fn', {}).get('type')
    labels = count // (2 if collate == 'views_collate' else 1)
    for _ in range(2):
        images = torch.randint(
            0, 256, (count, 3, size, size), generator=generator
        )
        data = dict(
            inputs=images.to(torch.uint8),
            data_samples=[
                DataSample(metainfo=dict(sample_idx=i)).set_gt_label(
                    i % labels
                )
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
        if param.requires_grad  # all but SimKD's classifier
    )


@pytest.mark.parametrize('pair', of_pairs(filter(is_copy, PAIRS)))
@pytest.mark.parametrize('method', METHODS)
def test_cifar10_differs_from_cifar100_in_the_data_alone(method, pair):
    """So that `make test` leaves them out."""
    ours = resolve(written(method, pair)).to_dict()
    like = resolve(written(method, f'{pair}0')).to_dict()
    assert like.pop('published_top1')['teacher']
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


@pytest.mark.parametrize('pair', of_pairs(PAIRS))
@pytest.mark.parametrize(
    'method',
    [m for m in METHODS if m not in ('alone', 'kd', *OTHER_HEADS)],
)
def test_methods_of_a_pair_differ_in_the_distiller_alone(method, pair):
    """Against KD, whose cross-entropy has another weight by its recipes.

    What teaches the head by KD has that weight as well.
    """
    ours = resolve(written(method, pair)).to_dict()
    kd = resolve(written('kd', pair)).to_dict()
    for cfg in (ours, kd):  # the bases that the distillers are made of
        for name in list(cfg):
            if name.endswith(('_distiller', '_architecture')):
                del cfg[name]
    weight = 0.5 if pair.endswith('imagenet') else 0.1
    loss = ours['model']['architecture']['head']['loss']
    if method == 'mlkd':  # which trains on other data
        assert ours.pop('train_dataloader') != kd.pop('train_dataloader')
        del ours['mlkd_train_dataloader']
    over_kd = method.startswith('kd_') or method in (*OVER_KD, 'mlkd')
    assert loss['loss_weight'] == 1.0 or over_kd
    loss['loss_weight'] = weight
    assert ours['model'].pop('distiller') != kd['model'].pop('distiller')
    assert ours == kd


def test_names_say_what_is_in_them():
    """{method}_{teacher}_{student}_{gpus}xb{batch}_{data}.py"""
    paths = {pair: written('kd', pair) for pair in PAIRS}
    for path in (TREE / 'teachers').glob('*.py'):
        paths[path.stem] = path
    for name, path in paths.items():
        cfg = resolve(path)
        *_, batch, data = name.split('_')
        gpus = 8 if data == 'imagenet' else 1
        assert batch == f'{gpus}xb{cfg.train_dataloader.batch_size}'
        kind = cfg.train_dataloader.dataset.type.lower().split('.')[-1]
        assert kind.replace('inmemory', '') == data
