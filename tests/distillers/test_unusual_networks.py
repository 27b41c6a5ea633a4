"""Legal networks of users' own, as no package has them."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import LOGITS_KD, ROOT, lakd
from mmengine.config import Config
from mmpretrain.models import ImageClassifier
from mmpretrain.registry import MODELS
from test_early_backward import assert_equal, gradients, pair
from torch import nn
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint

from mmrazor_lakd import SettingError
from mmrazor_lakd.config_check import explain

KD = dict(type='ConfigurableDistiller', **LOGITS_KD)
DKD = Config.fromfile(ROOT / 'configs/_base_/distillers/dkd.py').dkd_distiller
THIRD = dict(student='backbone.blocks.2', teacher='backbone.blocks.2')


class Counts(nn.Module):
    """Divides by how often it has run, and what shares its buffer."""

    def __init__(self):
        super().__init__()
        self.register_buffer('count', torch.ones(()))

    def forward(self, x):
        if self.training:
            self.count.add_(1)
        return x / self.count.clone()


class OwnNorm(nn.Module):
    """Batch normalisation whose statistics have other names."""

    def __init__(self, channels):
        super().__init__()
        self.register_buffer('mu', torch.zeros(channels))
        self.register_buffer('var', torch.ones(channels))

    def forward(self, x):
        return F.batch_norm(x, self.mu, self.var, training=self.training)


class Block(nn.Module):
    """Two convolutions and a shortcut, with something of its own."""

    def __init__(self, inputs, outputs, stride, kind):
        super().__init__()
        self.kind = kind
        self.norm = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride))
        if kind == 'spectral':
            parametrizations.spectral_norm(self.conv1)
        if kind == 'buffer':
            self.register_buffer('mean', torch.zeros(outputs))
        if kind == 'shared buffer':
            self.first, self.second = Counts(), Counts()
            self.second.count = self.first.count
        if kind == 'norm':
            self.norm = OwnNorm(inputs)

    def forward(self, x):
        if self.kind == 'inplace':
            x = F.relu(x, inplace=True)
        y = self.conv1(F.relu(self.norm(x)))
        if self.kind == 'buffer':
            if self.training:
                with torch.no_grad():
                    self.mean.mul_(0.9).add_(y.mean((0, 2, 3)), alpha=0.1)
            y = y - self.mean[:, None, None] * y
        if self.kind == 'shared buffer':
            y = self.second(self.first(y))
        if self.kind == 'numpy' and self.training:
            y = y * float(np.random.rand() + 0.5)
        return self.conv2(y) + self.shortcut(x)


class ChannelsLast(nn.Module):
    """As ConvNeXt computes between its convolutions."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.depthwise = nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs)
        self.linear = nn.Linear(inputs, outputs)

    def forward(self, x):
        y = self.depthwise(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return self.linear(y)


@MODELS.register_module()
class Unusual(nn.Module):
    """Four blocks, each of which may be wrapped in a way of its own."""

    def __init__(self, kind='', width=8, channels=3):
        super().__init__()
        self.kind = kind
        sizes = [(width, width, 1), (width, width, 1)]
        sizes += [(width, 2 * width, 2), (2 * width, 2 * width, 1)]
        if kind == 'channels last':
            blocks = [ChannelsLast(*size) for size in sizes]
        elif kind == 'sequence first':
            blocks = [nn.TransformerEncoderLayer(width, 2, width)] * 4
            blocks = [copy.deepcopy(block) for block in blocks]
        else:
            blocks = [Block(*size, kind) for size in sizes]
        if kind == 'named':
            for name, block in zip('abcd', blocks):
                setattr(self, name, block)
        elif kind == 'dict':
            self.parts = nn.ModuleDict(zip('abcd', blocks))
        else:
            # registered before the stem
            self.blocks = nn.ModuleList(blocks)
        self.stem = nn.Conv2d(channels, width, 3, padding=1)
        if kind == 'bias':
            self.bias = nn.Parameter(torch.randn(1, width, 4, 4))
        if kind == 'shared':
            self.shared = nn.Conv2d(width, width, 1)
            self.blocks = self.blocks[:2]
        self.last = nn.Conv2d(width if kind == 'shared' else 2 * width, 64, 1)

    def forward(self, x):
        x = self.stem(x)
        if self.kind == 'channels last':
            x = x.permute(0, 2, 3, 1)
        if self.kind == 'sequence first':
            x = x[..., ::4, ::4].flatten(2).permute(2, 0, 1)
        if self.kind == 'named':
            blocks = [self.a, self.b, self.c, self.d]
        else:
            blocks = getattr(self, 'blocks', None) or self.parts.values()
        bias = 0
        if self.kind == 'bias':
            bias = F.interpolate(self.bias, size=32)
        for number, block in enumerate(blocks):
            if self.kind == 'shared':
                x = self.shared(x)
            if self.kind == 'checkpoint' and number > 0:
                x = checkpoint(block, x, use_reentrant=False)
            else:
                x = block(x + bias if number < 3 else x)
        if self.kind == 'channels last':
            x = x.permute(0, 3, 1, 2)
        if self.kind == 'sequence first':
            x = x.permute(1, 2, 0).unflatten(2, (8, 8)).repeat(1, 2, 1, 1)
        return (self.last(x),)


@MODELS.register_module()
class TwoPasses(ImageClassifier):
    """Its loss runs the backbone twice, as R-Drop's does."""

    def loss(self, inputs, data_samples):
        first, second = (
            super(TwoPasses, self).loss(inputs, data_samples) for _ in '12'
        )
        return dict(loss=first['loss'] + second['loss'])


def network(kind='', type='ImageClassifier', **kwargs):
    return dict(
        _scope_='mmpretrain',
        type=type,
        backbone=dict(type='Unusual', kind=kind, **kwargs),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(type='LinearClsHead', num_classes=10, in_channels=64),
    )


@pytest.mark.parametrize(
    'kind', ['spectral', 'buffer', 'shared buffer', 'norm', 'numpy', '']
)
def test_state_of_blocks_that_run_twice(build, batch, kind):
    """A repetition begins with it, and leaves it as it is."""
    models = pair(build, KD, network(kind), network(), recompute=['blocks'])
    for _ in range(2):
        found = []
        for model in models:
            np.random.seed(0)
            found.append((gradients(model, batch), np.random.rand()))
        assert_equal(found[1][0], found[0][0])
        assert found[1][1] == found[0][1]
    plain, recomputed = (dict(model.named_buffers()) for model in models)
    for name, value in plain.items():
        torch.testing.assert_close(recomputed[name], value, rtol=1e-12, atol=0)


def test_blocks_that_overwrite_their_input(build, batch):
    """They can't run again; nor can a loss whose map they overwrite."""
    student = network('inplace')
    plain = build(copy.deepcopy(KD), copy.deepcopy(student), network())
    gradients(plain.double(), batch)
    model = build(copy.deepcopy(KD), student, network(), recompute=['blocks'])
    with pytest.raises(SettingError, match='a Block can.t be computed again'):
        model(*batch, mode='loss')


@pytest.mark.parametrize(
    'options',
    [
        dict(local_modules=[dict(THIRD, isolate=False)]),
        dict(local_modules=[THIRD], early_backward=False),
    ],
)
def test_a_map_that_is_overwritten_behind_a_boundary(build, batch, options):
    student, teacher = network('inplace'), network(width=16)
    model = build(lakd(**options), student, teacher).double()
    with pytest.raises(RuntimeError, match='inplace') as raised:
        gradients(model, batch)
    assert 'overwrites a map that a loss needs' in explain(raised.value)
    cut = build(lakd([THIRD]), network('inplace'), network(width=16))
    gradients(cut.double(), batch)


@pytest.mark.parametrize(
    ('kind', 'message'),
    [
        ('channels last', r'shape \(1, 16, 16, 24\) \(channels last\)'),
        ('sequence first', r'shape \(64, 1, 8\) \(with the images on an'),
    ],
)
def test_maps_of_other_axes(build, kind, message):
    """They would be compared as if channels were pixels, or images."""
    # 16 channels wouldn't be told from 16 pixels.
    width = 12 if kind == 'channels last' else 8
    student = network(kind, width=width)
    with pytest.raises(SettingError, match=message):
        build(lakd([THIRD]), copy.deepcopy(student), network())
    model = build(lakd(None, num_modules=2), student, network())
    assert [m['student'] for m in model.distiller.local_modules] == [
        'backbone.stem'
    ]


@pytest.mark.parametrize('early', [True, False])
def test_a_shared_weight_under_autocast(build, batch, early):
    """Autocast casts it once, for what is before a cut and behind it."""
    first = dict(student='backbone.blocks.0', teacher='backbone.blocks.0')
    distiller = lakd([first], early_backward=early)
    model = build(distiller, network('shared'), network())
    with torch.autocast('cpu', dtype=torch.bfloat16):
        losses = model(*batch, mode='loss')
    sum(v for k, v in losses.items() if 'loss' in k).backward()
    assert model.student.backbone.shared.weight.grad.isfinite().all()


@pytest.mark.parametrize(
    'student', [network(type='TwoPasses'), network('checkpoint')]
)
@pytest.mark.parametrize('isolate', [True, False])
def test_a_boundary_that_runs_twice_in_training(
    build, batch, student, isolate
):
    distiller = lakd([dict(THIRD, isolate=isolate)])
    model = build(distiller, copy.deepcopy(student), network())
    with pytest.raises(SettingError, match='runs twice in a training step'):
        model(*batch, mode='loss')


def test_images_of_one_channel(build, batch):
    """Whatever layer is registered first."""
    grey = network(channels=1)
    model = build(
        lakd(None, num_modules=2), grey, network(channels=1)
    ).double()
    gradients(model, (batch[0][:, :1], batch[1]))
    assert len(model.distiller.local_modules) >= 1


@pytest.mark.parametrize('kind', ['named', 'dict'])
def test_blocks_with_names_in_place_of_numbers(build, batch, kind):
    """Though they have lists of layers inside."""
    model = build(
        lakd(None, num_modules=2),
        network(kind),
        network(),
        recompute=['blocks'],
    ).double()
    gradients(model, batch)
    cut = model.distiller.local_modules[0]['student']
    part = 'parts.' if kind == 'dict' else ''
    assert cut in [f'backbone.{part}{name}' for name in 'abc']


@MODELS.register_module()
class Flat(nn.Module):
    """Layers in one list, as torchvision's VGG, or by name."""

    def __init__(self, names=False, norm=True):
        super().__init__()
        layers = []
        for inputs, outputs in ((3, 8), (8, 16), (16, 16), (16, 64)):
            layers.append(nn.Conv2d(inputs, outputs, 3, 2, 1))
            layers += [nn.BatchNorm2d(outputs)] if norm else []
            layers += [] if names else [nn.ReLU(inplace=True)]
        self.names = names
        if names:
            for number, layer in enumerate(layers):
                setattr(self, f'layer{number}', layer)
        else:
            self.features = nn.Sequential(*layers)

    def forward(self, x):
        if not self.names:
            return (self.features(x),)
        for layer in self.children():
            x = layer(x)
            if isinstance(layer, nn.BatchNorm2d):
                x = F.relu(x)
        return (x,)


@pytest.mark.parametrize(
    ('settings', 'ends'),
    [
        (dict(), ['features.2', 'features.5', 'features.8']),
        (dict(norm=False), ['features.1', 'features.3', 'features.5']),
        (dict(names=True), ['layer1', 'layer3', 'layer5']),
    ],
)
def test_no_cut_between_a_convolution_and_its_norm(
    build, batch, settings, ends
):
    student = network(type='ImageClassifier')
    student['backbone'] = dict(type='Flat', **settings)
    model = build(lakd(None, num_modules=4), student, network()).double()
    cuts = [entry['student'] for entry in model.distiller.local_modules]
    assert cuts == [f'backbone.{end}' for end in ends]
    gradients(model, batch)


@MODELS.register_module()
class FlatResidual(nn.Module):
    """Pre-activation blocks without modules of their own."""

    def __init__(self):
        super().__init__()
        for number in range(4):
            inputs = 16 if number else 3
            setattr(self, f'conv{number}', nn.Conv2d(inputs, 16, 3, 1, 1))
            setattr(self, f'norm{number}', nn.BatchNorm2d(16))
        self.last = nn.Conv2d(16, 64, 1)

    def forward(self, x):
        x = self.conv0(x)
        for number in (1, 2, 3):
            norm = getattr(self, f'norm{number - 1}')
            x = x + getattr(self, f'conv{number}')(F.relu(norm(x)))
        return (self.last(x),)


def test_a_norm_of_the_next_block_ends_none(build):
    student = network(type='ImageClassifier')
    student['backbone'] = dict(type='FlatResidual')
    model = build(lakd(None, num_modules=2), student, network())
    assert model.distiller.local_modules[0]['student'] == 'backbone.conv0'
    with pytest.raises(SettingError, match='can be cut behind 1 of its'):
        build(lakd(None, num_modules=3), copy.deepcopy(student), network())


@MODELS.register_module()
class OwnStep(ImageClassifier):
    def train_step(self, data, optim_wrapper):
        return super().train_step(data, optim_wrapper)


@MODELS.register_module()
class OwnLosses(ImageClassifier):
    def parse_losses(self, losses):
        loss, logged = super().parse_losses(losses)
        return 0.5 * loss, logged


def test_a_training_step_that_would_not_run(build):
    for kind, name in (('OwnStep', 'train_step'), ('OwnLosses', 'parse_loss')):
        with pytest.raises(
            SettingError, match=f'a {kind}, defines its own {name}'
        ):
            build(copy.deepcopy(KD), network(type=kind), network())


@MODELS.register_module()
class OwnLoss(ImageClassifier):
    """It takes no notice of the head's loss module."""

    def loss(self, inputs, data_samples):
        logits = self(inputs)
        labels = torch.cat([sample.gt_label for sample in data_samples])
        return dict(loss=F.cross_entropy(logits, labels))


def test_labels_that_the_loss_does_not_give(build, batch):
    labels = dict(type='ModuleInputs', source='head.loss_module')
    taught = copy.deepcopy(DKD)
    student = network(type='OwnLoss')
    build(copy.deepcopy(KD), student, network())(*batch, mode='loss')
    model = build(taught, copy.deepcopy(student), network())
    assert taught['student_recorders']['labels'] == labels
    sentence = "student's 'head.loss_module', but its loss doesn't run"
    with pytest.raises(SettingError, match=sentence):
        model(*batch, mode='loss')


def test_what_parameters_alone_make(build):
    """A bias that is computed once has a graph, which modules can't share."""
    first = dict(student='backbone.blocks.0', teacher='backbone.blocks.0')
    with pytest.raises(SettingError, match='that parameters alone make'):
        build(lakd([first]), network('bias'), network())
