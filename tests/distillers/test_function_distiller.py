"""FCFD: paths through later stages, what they teach and what they keep."""

import copy
import math
from collections import Counter
from pathlib import Path

import pytest
import torch
from conftest import LOGITS_KD, classifier, total
from fork_server import start_ranks
from function_networks import LOGITS, MAPS, build, fcfd, other
from function_two_processes import HALVES, gradients, make_batch, make_model
from mmengine.runner.activation_checkpointing import (
    turn_on_activation_checkpointing,
)
from mmpretrain.registry import MODELS as MMPRETRAIN
from short_training import run_shortly
from torch import nn

from mmrazor_lakd import SettingError
from mmrazor_lakd.backbones.stages import Stages

SCRIPT = Path(__file__).with_name('function_two_processes.py')


@MMPRETRAIN.register_module()
class TwoLayers(nn.Module):
    """Multiplies an image by a number, twice."""

    map_stages = Stages(('layer1', 'layer2'))

    def __init__(self, weights):
        super().__init__()
        for name, weight in zip(self.map_stages.names, weights):
            conv = nn.Conv2d(1, 1, 1, bias=False)
            conv.weight.data.fill_(weight)
            self.add_module(name, conv)

    def init_weights(self):
        """Keep them."""

    def forward(self, x):
        return (self.layer2(self.layer1(x)),)


def two_layers(*weights):
    cfg = classifier(8, num_classes=2, width=1)
    cfg['backbone'] = dict(type='TwoLayers', weights=weights)
    return cfg


def test_by_hand(build, batch):
    """One image of two pixels, 1 and 2, and the one path of two stages."""
    distiller = fcfd(
        through='teacher',
        extra_paths=1,
        feature_loss=dict(MAPS, loss_weight=1.0),
        logits_loss=dict(type='LogitsKDLoss'),
    )
    model = build(distiller, two_layers(2.0, 3.0), two_layers(1.0, 4.0))
    model.distiller.eval()
    for bridge, factor in zip(model.distiller.bridges.values(), (3.0, 1.0)):
        conv, norm = bridge.layers  # no stage ends with a ReLU
        norm.eps = 0.0
        nn.init.zeros_(conv.weight)
        conv.weight.data[0, 0, 1, 1] = factor
    fc = model.teacher.head.fc
    fc.weight.data = torch.tensor([[0.0], [math.log(3) / 6]])
    fc.bias.data.zero_()
    images = torch.tensor([[[[1.0, 2.0]]]])
    losses = model.loss(images, batch[1][:1])
    # (2, 4) becomes (6, 12), not (1, 2); (6, 12) stays, not (4, 8), pooled 9
    # and 6; the path makes (24, 48) of the former, pooled 36
    maps = 62.5 + (10 + 9) + (1000 + 900)
    assert losses['distill.path.loss_maps'].item() == pytest.approx(maps)
    # (1, 3) / 4 of the teacher; 3 ** (36 / 6) to 1 of the path
    logits = math.log(730 / 4) / 4 + 3 * math.log(3 / 4 * 730 / 729) / 4
    found = losses['distill.path.loss_logits'].item()
    assert found == pytest.approx(logits)


def replaced(network, images, sources, stage, feature):
    """Run a whole network with another map; its later maps and its logits."""
    maps, handles = [], []
    for number, source in enumerate(sources):

        def hook(module, inputs, output, number=number):
            if number == stage:
                return feature
            if number > stage:
                maps.append(output)

        module = network.get_submodule(source)
        handles.append(module.register_forward_hook(hook))
    logits = network(images)
    for handle in handles:
        handle.remove()
    return maps, logits


def slow_square(s_map, t_map):
    return ((s_map - t_map.detach()) ** 2).sum() / s_map.numel()


def slow_divergence(s_logits, t_logits, tau):
    p, q = (logits.div(tau).exp() for logits in (t_logits.detach(), s_logits))
    p, q = (rows / rows.sum(1, keepdim=True) for rows in (p, q))
    return tau**2 * (p * (p / q).log()).sum() / len(p)


def slow_fcfd(model, images, paths, sources):
    """Both losses by the definition, each path by a run of a whole network.

    Args:
        model (nn.Module): An algorithm that has not been trained, in float64.
        images (torch.Tensor): The batch.
        paths (list): The drawn ones.
        sources (dict): The modules of the maps, for each role.
    """
    networks = dict(student=model.student, teacher=model.teacher)
    maps, logits = {}, {}
    for role, network in networks.items():
        maps[role], logits[role] = replaced(
            network, images, sources[role], -1, None
        )
    bridges = model.distiller.bridges
    last = len(maps['teacher']) - 1
    starts = [
        bridges[f'student{number}'](feature)
        for number, feature in enumerate(maps['student'], 1)
    ]
    compared, divergence = list(enumerate(starts)), 0.0
    for into, stage in paths:
        if into == 'teacher':
            feature = starts[stage]
        else:
            feature = bridges[f'teacher{stage + 1}'](
                maps['teacher'][stage].detach()
            )
        later, ends = replaced(
            networks[into], images, sources[into], stage, feature
        )
        if into == 'teacher':
            compared += enumerate(later, stage + 1)
        divergence += 3.0 * slow_divergence(ends, logits['teacher'], 2.0)
    difference = 0.0
    for stage, feature in compared:
        t_map = maps['teacher'][stage]
        difference += 0.5 * slow_square(feature, t_map)
        if stage == last:
            difference += 0.5 * slow_square(
                feature.clamp(min=0).mean((2, 3)),
                t_map.clamp(min=0).mean((2, 3)),
            )
    return difference, divergence


LAYERS = [f'backbone.layer{number}' for number in (1, 2, 3, 4)]
PREACT = [f'{layer}.preact' for layer in LAYERS]
PAIRS = {
    'resnets': ({}, {}, (LAYERS[:3], LAYERS[:3])),
    'batch statistics': (
        dict(teacher_train_mode=True),
        {},
        (LAYERS[:3], LAYERS[:3]),
    ),
    'wider': (
        dict(teacher=classifier('8x4', width=256)),
        dict(extra_paths=4),
        (LAYERS[:3], LAYERS[:3]),
    ),
    'smaller maps': (
        dict(student=other('CIFARShuffleNetV1', 960)),
        dict(maps=dict(student='preact', teacher='output'), extra_paths=3),
        (PREACT[:3], LAYERS[:3]),
    ),
    'a layer behind the stages': (
        dict(
            student=other('CIFARMobileNetV2', 1280),
            teacher=other('CIFARVGG', 512, depth=8),
        ),
        dict(maps='preact', extra_paths=5),
        (PREACT, PREACT),
    ),
    'sums': (
        dict(
            student=other('CIFARWideResNet', 64, depth=16),
            teacher=other('CIFARWideResNet', 64, depth=16),
        ),
        dict(through='student'),
        ([f'{layer}.sum' for layer in LAYERS[:3]],) * 2,
    ),
}


@pytest.mark.parametrize('pair', PAIRS)
def test_values_and_gradients_of_the_definition(batch, pair):
    options, settings, named = PAIRS[pair]
    model = build(fcfd(**settings), **options).double()
    slow = copy.deepcopy(model)
    drawn = copy.deepcopy(model.distiller)._draw_paths()
    images = batch[0].double()
    sources = dict(zip(('student', 'teacher'), named))
    expected = slow_fcfd(slow, images, drawn, sources)
    losses = model.loss(images, batch[1])
    found = [
        losses[f'distill.path.loss_{name}'] for name in ('maps', 'logits')
    ]
    torch.testing.assert_close(found, list(expected), rtol=1e-9, atol=0)
    sum(found).backward()
    sum(expected).backward()
    grads = {name: p.grad for name, p in slow.named_parameters()}
    for name, param in model.named_parameters():
        grad = grads[name]
        if grad is None:  # nothing that the definition has depends on it
            grad = torch.zeros_like(param)
        scale = param.grad.abs().max().item() if param.grad is not None else 0
        torch.testing.assert_close(
            torch.zeros_like(grad) if param.grad is None else param.grad,
            grad,
            rtol=1e-6,
            atol=1e-9 * max(scale, 1),
            msg=name,
        )


def test_what_a_step_teaches(batch):
    model = build(fcfd(extra_paths=1))
    for _ in range(4):
        model.zero_grad()
        total(model.loss(*batch)).backward()
        assert all(p.grad is None for p in model.teacher.parameters())
        for name, param in model.named_parameters():
            assert param.grad is not None, name
            if not name.startswith('distiller.bridges.teacher'):
                assert param.grad.abs().sum() > 0, name


@pytest.mark.parametrize(
    'train_mode, checkpointed', [(False, False), (True, False), (False, True)]
)
def test_running_statistics_are_those_of_the_networks_themselves(
    batch, train_mode, checkpointed
):
    model = build(fcfd(extra_paths=4), teacher_train_mode=train_mode)
    if checkpointed:  # as a Runner does after the build
        turn_on_activation_checkpointing(
            model, 'architecture.backbone.layer3.0'
        )
    plain = build(dict(type='FeatureDistiller'))
    plain.student.load_state_dict(model.student.state_dict())
    teacher = copy.deepcopy(model.teacher.state_dict())
    for _ in range(2):
        total(model.loss(*batch)).backward()
        plain.loss(*batch)
    for name, value in plain.student.state_dict().items():
        assert torch.equal(model.student.state_dict()[name], value), name
    if train_mode:  # otherwise it is folded
        for name, value in model.teacher.state_dict().items():
            if 'num_batches_tracked' not in name:
                assert torch.equal(value, teacher[name]), name


def test_an_overflow_of_a_path_stays_there(batch):
    """As in float16, whose scaler skips the step."""
    model = build(fcfd(extra_paths=4), teacher_train_mode=True)
    model.loss(*batch)
    for bridge in model.distiller.bridges.values():
        conv, norm = bridge.layers[:2]
        norm.weight.data.fill_(float('inf'))
    losses = model.loss(*batch)
    assert not total(losses).isfinite()
    for network in (model.student, model.teacher):
        for name, value in network.named_buffers():
            assert value.isfinite().all(), name


def test_blocks_that_are_computed_again(batch):
    found = []
    for parts in ([], ['blocks']):
        model = build(fcfd(extra_paths=4), recompute=parts)
        total(model.loss(*batch)).backward()
        grads = {n: p.grad for n, p in model.named_parameters()}
        found.append((grads, model.student.state_dict()))
    torch.testing.assert_close(found[0], found[1], rtol=1e-5, atol=1e-6)


def test_losses_in_bfloat16(batch):
    model = build()
    with torch.autocast('cpu', torch.bfloat16):
        losses = model.loss(*batch)
    for name, value in losses.items():
        if name.startswith('distill.'):
            assert value.dtype == torch.float32 and value.isfinite(), name
    total(losses).backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_paths_are_drawn_alike_and_go_on_after_a_resume():
    distillers = [build(seed=seed).distiller for seed in (0, 0, 1)]
    drawn = [[d._draw_paths() for _ in range(40)] for d in distillers]
    assert drawn[0] == drawn[1] != drawn[2]
    assert all(len(set(paths)) == 2 for paths in drawn[0])
    counts = Counter(path for paths in drawn[0] for path in paths)
    assert len(counts) == 4 and min(counts.values()) > 10
    distillers[2].load_state_dict(distillers[0].state_dict())
    assert distillers[2]._draw_paths() == distillers[1]._draw_paths()


def test_a_copy_uses_the_copied_networks(batch):
    """As MMEngine's moving averages have it."""
    model = build()
    copied = copy.deepcopy(model)
    expected = total(model.loss(*batch))
    for param in model.parameters():
        param.data.zero_()
    torch.testing.assert_close(total(copied.loss(*batch)), expected)


@MMPRETRAIN.register_module()
class DoubledResNet(MMPRETRAIN.get('CIFARResNet')):
    """A network whose stages are not all that it runs."""

    def forward(self, x):
        return (2 * super().forward(x)[-1],)


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(through='all'), "no through='all'; choose one of 'teacher'"),
        (dict(extra_paths=0), 'extra_paths=0; write an integer of at least 1'),
        (dict(extra_paths=True), 'extra_paths=True; write an integer'),
        (dict(extra_paths=5), "extra_paths=5.*'both' has 4 paths.*or fewer"),
        (dict(extra_paths=3, through='student'), "'student' has 2 paths"),
        (dict(maps='sum'), "no maps of the student='sum'; choose one of"),
        (dict(maps=3), "no maps of the student=3; choose one of 'preact'"),
        (dict(maps=dict(student='preact')), "maps={.*; write 'output', 'pre"),
        (dict(feature_loss=None), 'feature_loss=None; write the config of a'),
        (dict(logits_loss='kd'), "logits_loss='kd'; write the config of a lo"),
        (dict(logits_loss=dict(LOGITS, tau=0.0)), 'tau=0.0; write a finite'),
    ],
)
def test_settings_are_refused(settings, message):
    with pytest.raises(SettingError, match=message):
        build(fcfd(**settings))


def test_networks_are_refused():
    resnet = classifier(8)
    resnet['backbone'] = dict(type='mmpretrain.ResNet_CIFAR', depth=18)
    resnet['head']['in_channels'] = 512
    with pytest.raises(SettingError, match="student's.*ResNet_CIFAR.* none"):
        build(student=resnet)
    doubled = classifier(8)
    doubled['backbone']['type'] = 'DoubledResNet'
    with pytest.raises(SettingError, match="teacher's.*DoubledResNet.*other"):
        build(teacher=doubled)
    early = classifier(8, width=32)
    early['backbone']['out_indices'] = (1,)
    words = r"student's.* fail \(RuntimeError: .*32.*out_indices=\(1,\), which"
    with pytest.raises(SettingError, match=words) as refused:
        build(student=early)
    assert isinstance(refused.value.__cause__, RuntimeError)
    more = classifier(8, num_classes=12)
    no_kd = {name: {} for name in LOGITS_KD}
    with pytest.raises(SettingError, match="student 12, .*through='teacher'"):
        build(fcfd(**no_kd), student=more)
    build(fcfd(**no_kd, through='teacher'), student=more)


def test_a_new_training_draws_paths_of_its_own(tmp_path):
    """Also one that begins with the weights of another."""

    def seeded(seed):
        model = build(fcfd())
        model.distiller.seed.fill_(seed)
        return model

    run_shortly(seeded(1), tmp_path / 'a', iterations=2)
    model = seeded(2)
    start = dict(load_from=str(tmp_path / 'a/iter_2.pth'))
    run_shortly(model, tmp_path / 'b', **start)
    assert (int(model.distiller.seed), int(model.distiller.step)) == (2, 1)
    resumed = seeded(2)
    start = dict(load_from=str(tmp_path / 'a/iter_1.pth'), resume=True)
    run_shortly(resumed, tmp_path / 'c', iterations=2, **start)
    assert (int(resumed.distiller.seed), int(resumed.distiller.step)) == (1, 2)


def test_two_processes_equal_one(tmp_path):
    """Without find_unused_parameters, though paths are drawn."""
    for process in start_ranks(SCRIPT, tmp_path, port=29523):
        done = process.finish()
        assert done.returncode == 0, done.stderr[-3000:]
    ranks = [torch.load(tmp_path / f'rank{rank}.pth') for rank in (0, 1)]
    torch.testing.assert_close(ranks[0], ranks[1], rtol=0, atol=0)
    images, samples = make_batch()
    expected = []
    for half in HALVES:
        model = make_model(seed=0)
        for _ in range(3):
            model.zero_grad()
            losses = model(images[half], samples[half], mode='loss')
            total(losses).backward()
        expected.append(gradients(model))
    for name, grad in ranks[0].items():
        mean = (expected[0][name] + expected[1][name]) / 2
        torch.testing.assert_close(grad, mean, rtol=1e-4, atol=1e-6, msg=name)
