"""Where a student can be cut: its blocks, and what passes around them."""

import pytest
import torch
from networks_to_cut import network, resnet, short, stages, vgg
from torch import nn

from mmrazor_lakd import SettingError
from mmrazor_lakd.partition.cut_checks import check_boundaries
from mmrazor_lakd.partition.partition import partition
from mmrazor_lakd.tracing.autograd_graph import graph_run, saved_bytes
from mmrazor_lakd.tracing.blocks import find_blocks


@pytest.mark.parametrize('depth, count', [(8, 1), (20, 3), (56, 9)])
def test_every_block_is_found_in_order(depth, count):
    blocks = find_blocks(resnet(depth), 'student')
    assert short(blocks) == stages('layer', [count] * 3)
    # A module of the head alone is none.
    assert [block.can_cut for block in blocks] == [True] * (3 * count - 1) + [
        False
    ]
    assert blocks[0].shape == (16, 32, 32)
    assert blocks[0].num_bytes == 16 * 32 * 32 * 4
    assert [blocks[0].scale, blocks[-1].scale] == [1, 16]


@pytest.mark.parametrize(
    'cfg, names',
    [
        (('ResNet', 512, dict(depth=18)), stages('layer', [2] * 4)),
        (('ResNet', 512, dict(depth=34)), stages('layer', [3, 4, 6, 3])),
        (('ResNet', 2048, dict(depth=50)), stages('layer', [3, 4, 6, 3])),
        (('ResNet_CIFAR', 512, dict(depth=18)), stages('layer', [2] * 4)),
        (('MobileNetV2', 1280, {}), stages('layer', [1, 2, 3, 4, 3, 3, 1])),
        (('ShuffleNetV1', 960, {}), stages('layers.', [4, 8, 4], 0)),
        (
            ('ShuffleNetV2', 1024, {}),
            stages('layers.', [4, 8, 4], 0) + ['layers.3'],
        ),
        (
            ('ConvNeXt', 320, dict(arch='atto')),
            [
                name
                for stage, count in enumerate([2, 2, 6, 2])
                for name in [
                    f'downsample_layers.{stage}',
                    *(f'stages.{stage}.{index}' for index in range(count)),
                ]
            ],
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else '',
)
def test_blocks_of_mmpretrain(cfg, names):
    type, width, options = cfg
    blocks = find_blocks(network(type, width, **options), 'student')
    assert short(blocks) == names
    # MobileNetV2 has a convolution behind its last block.
    last = type == 'MobileNetV2'
    assert [block.can_cut for block in blocks[:-1]] == [True] * (
        len(names) - 1
    )
    assert blocks[-1].can_cut == last


def test_a_backbone_without_lists_has_its_children():
    blocks = find_blocks(network('MobileNetV3', 576, arch='small'), 'student')
    assert short(blocks) == [f'layer{index}' for index in range(13)]


class WithStem(nn.Module):
    """A list of one convolution and what follows it, and a list of blocks."""

    def __init__(self):
        super().__init__()
        norm = nn.BatchNorm2d(8)
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3), norm, nn.ReLU())
        self.blocks = nn.Sequential(nn.Conv2d(8, 8, 3), nn.Conv2d(8, 8, 3))

    def forward(self, x):
        return (self.blocks(self.stem(x)),)


def test_a_stem_of_one_convolution_is_one_block():
    """Between it and its norm, nothing is cut."""
    model = resnet(8, width=8)
    model.backbone = WithStem()
    blocks = find_blocks(model, 'student', 32)
    assert short(blocks) == ['stem', 'blocks.0', 'blocks.1']


def test_blocks_of_a_plain_net_are_its_convolutions():
    names = short(find_blocks(vgg(11), 'student'))
    # What is between are the poolings.
    assert names == [f'features.{i}' for i in (0, 2, 4, 5, 7, 8, 10, 11)]


@pytest.mark.parametrize(
    'build',
    [
        lambda: resnet(8),
        lambda: network('ShuffleNetV2', 1024, widen_factor=0.5),
        lambda: network('MobileNetV2', 1280, widen_factor=0.5),
    ],
    ids=['ResNet8', 'ShuffleNetV2', 'MobileNetV2'],
)
def test_what_passes_around_is_what_gradients_pass_around(build):
    """Cut behind each module: the image has a gradient from around it."""
    model = build().eval()
    run = graph_run(model, 'student')
    modules = dict(model.named_modules())
    kinds = set()
    names = [name for name in run.edges if not name.startswith('head')]
    for name in names[:60]:
        image = torch.rand(1, 3, 32, 32, requires_grad=True)
        hook = modules[name].register_forward_hook(
            lambda module, inputs, output: output.detach()
        )
        logits = model(image, mode='tensor')
        hook.remove()
        leak = (
            torch.autograd.grad(logits.sum(), image, allow_unused=True)[0]
            if logits.requires_grad
            else None
        )
        assert bool(run.bypasses(name)) == (leak is not None), name
        kinds.add(leak is not None)
    assert kinds == {True, False}


def test_boundaries_inside_of_a_block_are_refused():
    model = resnet(20)
    good = ['backbone.conv1', 'backbone.layer1.0', 'backbone.layer1.preact']
    check_boundaries(model, [*good, 'backbone.layer2', 'backbone.layer3.1'])
    check_boundaries(model, [])
    with pytest.raises(
        SettingError,
        match=(
            r"student can't be cut behind 'backbone.layer2.1.bn1', since "
            r"information passes around it, from 'backbone.layer2.0.relu'; "
            r"write 'backbone.layer2.0' or 'backbone.layer2.1'\."
        ),
    ):
        check_boundaries(model, [*good, 'backbone.layer2.1.bn1'])
    with pytest.raises(SettingError, match=r"write 'backbone.layer1.0'\."):
        check_boundaries(model, ['backbone.layer1.0.conv2'])
    with pytest.raises(SettingError, match="no module 'backbone.layer9'"):
        check_boundaries(model, ['backbone.layer9'])
    with pytest.raises(SettingError, match="'head.fc' gives a tensor of"):
        check_boundaries(model, ['head.fc'])
    with pytest.raises(SettingError, match="'backbone.layer1.0.relu' runs 2"):
        check_boundaries(model, ['backbone.layer1.0.relu'])


def test_a_frozen_stage_is_in_the_graph_and_saves_nothing():
    model = network('ResNet', 512, depth=18, frozen_stages=2)
    model.train()
    trained = [name for name, p in model.named_parameters() if p.requires_grad]
    names = [block.name for block in find_blocks(model, 'student')]
    assert len(names) == 8
    parts = saved_bytes(model, names, 'student')
    assert [bool(part) for part in parts[:5]] == [False] * 4 + [True]
    with pytest.raises(SettingError, match="around it, from 'backbone.maxp"):
        check_boundaries(model, ['backbone.layer1.0.conv1'])
    assert trained == [
        name for name, p in model.named_parameters() if p.requires_grad
    ]


def test_the_models_stay_as_they_were():
    student, teacher = resnet(20).train(), resnet(56).eval()
    student.backbone.bn1.eval()
    student.backbone.conv1.requires_grad_(False)
    models = (student, teacher)

    def state(model):
        return (
            [m.training for m in model.modules()],
            [p.requires_grad for p in model.parameters()],
            [p.grad for p in model.parameters()],
            [len(m._forward_hooks) for m in model.modules()],
            [len(m._forward_pre_hooks) for m in model.modules()],
        )

    before = [state(model) for model in models]
    values = [
        {key: value.clone() for key, value in model.state_dict().items()}
        for model in models
    ]
    random = torch.get_rng_state()
    found = partition(student, teacher, 3)
    check_boundaries(student, [e['student'] for e in found.local_modules])
    assert torch.equal(torch.get_rng_state(), random)
    assert [state(model) for model in models] == before
    for model, value in zip(models, values):
        for key, tensor in model.state_dict().items():
            assert torch.equal(tensor, value[key]), key
