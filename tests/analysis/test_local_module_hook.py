"""The hook in real trainings: what it logs, and that it changes nothing."""

import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from conftest import ROOT, read_config
from mmengine.dataset import pseudo_collate
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from mmpretrain.registry import MODELS
from torch.utils.data import DataLoader

from mmrazor_lakd.analysis import LocalModuleHook
from mmrazor_lakd.analysis.fixed_images import FixedImages, kept_random_state
from mmrazor_lakd.analysis.local_module_hook import module_losses
from mmrazor_lakd.analysis.module_gradients import (
    ModuleGradients,
    group_parameters,
)
from mmrazor_lakd.errors import SettingError

LAKD = 'lakd/lakd_resnet20_resnet8_1xb64_digits.py'
KD = 'kd/kd_resnet20_resnet8_1xb64_digits.py'
ALONE = 'teachers/resnet8_1xb64_digits.py'
HOOK = dict(
    type='LocalModuleHook',
    interval=1, cka_interval=1, map_interval=2, num_images=8, num_maps=2,
)  # fmt: skip


@pytest.fixture
def train(tmp_path):
    count = [0]

    def _train(config, hook=HOOK, besides=(), train_loop=None, **options):
        count[0] += 1
        cfg = read_config(ROOT / 'configs' / config)
        cfg.work_dir = str(tmp_path / str(count[0]))
        cfg.experiment_name = f'{tmp_path.name}_{count[0]}'
        if 'teacher' in cfg.model:
            cfg.model.teacher_ckpt = None
        cfg.custom_hooks = [] if hook is None else [hook]
        cfg.default_hooks.checkpoint.save_best = None
        if 'val_dataloader' in options:
            cfg.val_dataloader = options.pop('val_dataloader')
            cfg.val_dataloader.dataset.indices = None
        cfg.merge_from_dict(
            {
                'train_cfg.max_epochs': 2,
                'train_cfg.val_interval': 2,
                'train_dataloader.batch_size': 16,
                'train_dataloader.dataset.indices': 40,
                'val_dataloader.dataset.indices': 16,
                'default_hooks.logger.interval': 1,
                **options,
            }
        )
        cfg.train_cfg = train_loop or cfg.train_cfg
        runner = Runner.from_cfg(cfg)
        for item in besides:
            runner.register_hook(item)
        runner.train()
        return runner

    return _train


def scalars(runner):
    """All that the visualizer was given, by name: {step: value}."""
    path = next((ROOT / runner.work_dir).rglob('scalars.json'))
    found = {}
    for line in path.read_text().splitlines():
        entry = json.loads(line)
        step = entry.pop('step')
        for name, value in entry.items():
            found.setdefault(name, {})[step] = value
    return found


def test_training_is_the_same_with_it_and_without(train):
    """Bit-equal weights, statistics and momenta. The validation images are
    cropped at random, which must not change the training's own crops."""
    crop = [dict(type='mmpretrain.BatchRandomCrop', padding=4)]
    options = {'val_dataloader.dataset.pipeline': crop}
    options['train_cfg.val_interval'] = 100  # nothing else uses those crops
    runners = [train(LAKD, hook, **options) for hook in (HOOK, None)]
    assert scalars(runners[0])['module1/cka']
    for states in (
        [runner.model.state_dict() for runner in runners],
        [momenta(runner.optim_wrapper.optimizer) for runner in runners],
    ):
        assert list(states[0]) == list(states[1]) and len(states[0]) > 20
        for name, value in states[0].items():
            assert torch.equal(value, states[1][name]), name


def momenta(optimizer):
    return {
        f'{place}.{name}': value
        for place, entry in optimizer.state_dict()['state'].items()
        for name, value in entry.items()
    }


def test_scalars_and_pictures(train):
    runner = train(LAKD)
    found = scalars(runner)
    steps = list(range(1, 7))
    for number in (1, 2, 3):
        assert list(found[f'module{number}/grad_norm']) == steps
        assert list(found[f'module{number}/loss']) == steps
        for name in ('cka', 'ndam_r'):
            values = found[f'module{number}/{name}']
            assert list(values) == [0, 3, 6]
            assert all(-1 <= value <= 1 for value in values.values())
    for step in steps:
        losses = [found[f'module{n}/loss'][step] for n in (1, 2, 3)]
        parts = [found[f'module1/{n}'][step] for n in ('feature', 'attention')]
        assert losses[0] == pytest.approx(sum(parts), rel=1e-5)
        if step == 1:  # MMEngine's own value is a mean over iterations
            assert sum(losses) == pytest.approx(found['loss'][1], rel=1e-5)
    assert 'module3/feature' not in found
    pictures = sorted((ROOT / runner.work_dir).rglob('vis_image/*.png'))
    names = [path.name for path in pictures]
    assert names == ['local_modules_0.png', 'local_modules_6.png']
    images = [cv2.imread(str(path)) for path in pictures]
    assert images[0].shape == images[1].shape and images[0].std() > 10
    assert (images[0] != images[1]).any()


class BatchSizes(Hook):
    """Record how many images the student gets at once, and their size."""

    def before_run(self, runner):
        self.shapes = []
        runner.model.student.backbone.register_forward_pre_hook(
            lambda module, inputs: self.shapes.append(inputs[0].shape)
        )


def test_images_in_the_batches_of_the_validation(train):
    """Of 16 at once and of 4, with the same result."""
    found = []
    for size in (16, 4):
        sizes = BatchSizes()
        hook = {**HOOK, 'num_images': 16}
        options = {'val_dataloader.batch_size': size}
        runner = train(LAKD, hook, [sizes], **options)
        # three comparisons, and the validation
        fours = [shape[0] for shape in sizes.shapes].count(4)
        assert fours == (4 * 4 if size == 4 else 0)
        found.append(scalars(runner))
    for number in (1, 2, 3):
        for name in ('cka', 'ndam_r'):
            name = f'module{number}/{name}'
            assert found[0][name] == pytest.approx(found[1][name], abs=1e-4)


def test_images_of_different_sizes(train, tmp_path):
    """As a pipeline that keeps their ratio gives them; padded in a batch."""
    sizes = [(40, 24), (24, 40), (32, 32), (36, 28)]
    for number, size in enumerate(sizes):
        path = tmp_path / 'images' / 'a' / f'{number}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        image = np.full((*size, 3), 255, np.uint8)
        image[::2] = 60 * number
        assert cv2.imwrite(str(path), image)
    loader = dict(
        batch_size=2,
        num_workers=0,
        persistent_workers=False,
        dataset=dict(
            type='mmpretrain.CustomDataset',
            data_root=str(tmp_path / 'images'),
            pipeline=[
                dict(type='mmpretrain.LoadImageFromFile'),
                dict(type='mmpretrain.PackInputs'),
            ],
        ),
        sampler=dict(type='DefaultSampler', shuffle=False),
    )
    seen = BatchSizes()
    runner = train(LAKD, besides=[seen], val_dataloader=loader)
    assert {shape[-2:] for shape in seen.shapes} >= {(40, 40), (36, 32)}
    assert list(scalars(runner)['module1/cka']) == [0, 3, 6]
    shown = FixedImages(runner, 4).shown(runner.model, 3)
    assert [image.shape[:2] for image in shown] == [(40, 40)] * 2 + [(36, 32)]
    assert (shown[1][24:] == 0).all() and (shown[1][1:24:2] == 255).all()


@pytest.mark.parametrize(
    'steps, reverses, has_config',
    [
        ([dict(type='LoadImageFromFile')], False, True),
        ([dict(type='LoadImageFromFile')], True, True),
        ([dict(type='LoadImageFromFile')], True, False),
        (
            [dict(type='LoadImageFromFile'), dict(type='Normalize')],
            False,
            True,
        ),
        ([], True, True),
    ],
)
def test_images_are_shown_as_rgb(steps, reverses, has_config):
    packs_rgb = len(steps) != 1
    image = torch.zeros(3, 4, 4, dtype=torch.uint8)
    image[0 if packs_rgb else 2] = 255  # red
    loader = DataLoader([dict(inputs=image)] * 2, collate_fn=pseudo_collate)
    loop = SimpleNamespace(dataloader=loader)
    settings = dict(dataset=dict(pipeline=steps))
    cfg = dict(val_dataloader=settings) if has_config else {}
    runner = SimpleNamespace(val_loop=loop, cfg=cfg)

    class Preprocessor(torch.nn.Module):
        to_rgb = reverses

        def forward(self, data, training):
            return dict(inputs=torch.stack(data['inputs']).float())

    model = SimpleNamespace(data_preprocessor=Preprocessor())
    (shown,) = FixedImages(runner, 2).shown(model, 1)
    assert (shown == [255, 0, 0]).all()


@pytest.mark.parametrize('accumulated', [1, 2])
def test_norms_are_those_of_the_update(train, accumulated):
    """Plain gradient descent: what a weight changes by is its gradient."""
    before = {}

    class Remember(Hook):
        def before_train(self, runner):
            before.update(
                (name, value.detach().clone())
                for name, value in runner.model.student.named_parameters()
            )

    options = {f'optim_wrapper.optimizer.{k}': 0 for k in (
        'momentum', 'weight_decay')}  # fmt: skip
    options['optim_wrapper.accumulative_counts'] = accumulated
    options['optim_wrapper.type'] = 'OptimWrapper'
    options['optim_wrapper.optimizer.lr'] = 0.25
    options['train_cfg.max_epochs'] = 1
    options['train_dataloader.dataset.indices'] = 16 * accumulated
    runner = train(LAKD, besides=[Remember()], param_scheduler=None, **options)
    squares = [0.0, 0.0, 0.0]
    for name, value in runner.model.student.named_parameters():
        change = (before[name] - value.detach()).double() / 0.25
        module = 2
        if name.startswith(('backbone.conv1', 'backbone.bn1')):
            module = 0
        elif name.startswith(('backbone.layer1', 'backbone.layer2')):
            module = int(name[len('backbone.layer')]) - 1
        squares[module] += change.square().sum().item()
    found = scalars(runner)
    for number, square in enumerate(squares, 1):
        norms = found[f'module{number}/grad_norm']
        assert list(norms) == [accumulated]
        expected = pytest.approx(square**0.5, rel=1e-3)
        assert norms[accumulated] == expected


@pytest.mark.skipif(
    not hasattr(torch.amp, 'GradScaler'), reason='no loss scaling on CPUs'
)
def test_a_fused_optimizer_unscales_by_itself():
    layer = torch.nn.Linear(3, 1)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1, fused=True)
    gradients = ModuleGradients(
        [list(layer.parameters())], OptimWrapper(optimizer)
    )
    scaler = torch.amp.GradScaler('cpu', init_scale=1024.0)
    for image, expected in ((float('inf'), None), (2.0, [13**0.5])):
        gradients.wanted = True
        optimizer.zero_grad()
        loss = layer(torch.full((1, 3), image)).sum()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        norms = gradients.take()
        assert norms == (expected and pytest.approx(expected))


def test_other_methods_have_stages(train):
    found = scalars(train(KD, **{'train_cfg.max_epochs': 1}))
    for number in (1, 2, 3):
        assert list(found[f'module{number}/cka']) == [0, 3]
        assert found[f'module{number}/grad_norm'][1] > 0
    assert not [name for name in found if name.endswith('1/loss')]


def test_a_training_by_iterations(train):
    """Its intervals count validations: after iterations 2, 4, 6 and 7."""
    loop = dict(type='IterBasedTrainLoop', max_iters=7, val_interval=2)
    runner = train(LAKD, train_loop=loop, param_scheduler=None)
    assert list(scalars(runner)['module1/cka']) == [0, 2, 4, 6, 7]
    pictures = (ROOT / runner.work_dir).rglob('vis_image/*.png')
    steps = {int(path.stem.rpartition('_')[2]) for path in pictures}
    assert steps == {0, 4, 7}


def test_refusals(train):
    with pytest.raises(SettingError, match='ImageClassifier has none'):
        train(ALONE)
    with pytest.raises(SettingError, match='has map_interval=0;'):
        LocalModuleHook(map_interval=0)


def test_losses_by_module():
    log = {
        'loss': 10.0,
        'student.loss': 1.0,
        'distill.loss_kd': 2.0,
        'distill.module1.loss': torch.tensor(3.0),
        'distill.module1.weight': 0.5,
        'distill.module2.loss': 4.0,
    }
    assert module_losses(log, 3) == {
        'module1/loss': 3.0,
        'module1/weight': 0.5,
        'module2/loss': 4.0,
        'module3/loss': 3.0,
    }
    assert module_losses({'loss': 1.0, 'student.loss': 1.0}, 3) == {}
    # a last module that is taught, too
    assert module_losses(log, 2)['module2/loss'] == 7.0


def test_random_state_is_kept():
    import random

    def draw():
        return random.random(), np.random.rand(), torch.rand(1).item()

    torch.manual_seed(0)
    with kept_random_state():
        first = draw()
    assert draw() == first


def test_progressive_opening_can_be_seen(train):
    """Two modules open one after the other in 3 of the 6 iterations."""
    found = scalars(train(LAKD, **{'model.distiller.progressive.iters': 3}))
    openings = [list(found[f'module{n}/open'].values()) for n in (1, 2)]
    assert openings[0] == pytest.approx([2 / 3, 1, 1, 1, 1, 1])
    assert openings[1] == pytest.approx([0, 1 / 3, 1, 1, 1, 1])


def test_position_embeddings_belong_to_the_first_module():
    """Their owner is the whole backbone, which ends after each boundary."""
    arch = dict(
        embed_dims=8, num_layers=2, num_heads=2, feedforward_channels=8
    )
    backbone = dict(
        type='VisionTransformer', arch=arch, img_size=32, patch_size=8
    )
    head = dict(type='VisionTransformerClsHead', num_classes=3, in_channels=8)
    model = MODELS.build(
        dict(
            _scope_='mmpretrain',
            type='ImageClassifier',
            backbone=backbone,
            head=head,
        )
    )
    first, last = group_parameters(model, ['backbone.layers.0'], (32, 32))
    names = {id(p): name for name, p in model.named_parameters()}
    inside = {names[id(parameter)] for parameter in first}
    assert {'backbone.pos_embed', 'backbone.cls_token'} < inside
    assert not any(n.startswith('backbone.layers.1.') for n in inside)
    assert len(first) + len(last) == len(names)
