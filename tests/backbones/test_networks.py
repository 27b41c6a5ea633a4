"""The networks are the literature's: sizes, maps, blocks to cut behind."""

import pytest
import torch
from conftest import ROOT

from mmrazor_lakd import SettingError
from mmrazor_lakd.backbones import (
    CIFARVGG,
    NETWORKS,
    CIFARMobileNetV2,
    CIFARWideResNet,
    build_network,
)
from mmrazor_lakd.partition.partition import partition
from mmrazor_lakd.tracing.complexity import complexity

# Parameters and multiply-adds of RepDistiller's and mdistiller's own
# definitions, counted with MMEngine too.
SIZES = {
    'resnet8': (83892, 12507392),
    'resnet14': (181108, 26663168),
    'resnet20': (278324, 40818944),
    'resnet32': (472756, 69130496),
    'resnet44': (667188, 97442048),
    'resnet56': (861620, 125753600),
    'resnet110': (1736564, 253155584),
    'resnet8x4': (1233540, 177071104),
    'resnet32x4': (7433860, 1083040768),
    'wrn_16_1': (180916, 26663168),
    'wrn_16_2': (703284, 101118464),
    'wrn_40_1': (569780, 83286272),
    'wrn_40_2': (2255156, 327610880),
    'vgg8': (3965028, 96192512),
    'vgg11': (9277284, 209438720),
    'vgg13': (9462180, 284936192),
    'vgg16': (14774436, 398182400),
    'vgg19': (20086692, 511428608),
    'MobileNetV2': (812836, 6523648),
    'ShuffleV1': (949258, 38691456),
    'ShuffleV2': (1355528, 44504448),
    'ResNet18': (11220132, 555468800),
    'ResNet50': (23705252, 1298014208),
    'resnet18_imagenet': (11689512, 1814073344),
    'resnet34_imagenet': (21797672, 3663761408),
    'resnet50_imagenet': (25557032, 4089184256),
    'MobileNetV1_imagenet': (4231976, 568740352),
}
# Shapes (C, H, W) of the maps layer1, layer2, ...; of VGGs from layer0.
MAPS = {
    'wrn_16_2': [(32, 32, 32), (64, 16, 16), (128, 8, 8)],
    'wrn_40_1': [(16, 32, 32), (32, 16, 16), (64, 8, 8)],
    'vgg8': [
        (64, 32, 32),
        (128, 16, 16),
        (256, 8, 8),
        (512, 4, 4),
        (512, 4, 4),
    ],
    'MobileNetV2': [(12, 16, 16), (16, 8, 8), (48, 4, 4), (160, 2, 2)],
    'ShuffleV1': [(240, 16, 16), (480, 8, 8), (960, 4, 4)],
    'ShuffleV2': [(116, 16, 16), (232, 8, 8), (464, 4, 4)],
    'ResNet50': [(256, 32, 32), (512, 16, 16), (1024, 8, 8), (2048, 4, 4)],
    'resnet18_imagenet': [
        (64, 56, 56),
        (128, 28, 28),
        (256, 14, 14),
        (512, 7, 7),
    ],
    'MobileNetV1_imagenet': [
        (128, 56, 56),
        (256, 28, 28),
        (512, 14, 14),
        (1024, 7, 7),
    ],
}
# teacher, student
PAIRS = [
    ('resnet56', 'resnet20'),
    ('resnet110', 'resnet32'),
    ('resnet32x4', 'resnet8x4'),
    ('wrn_40_2', 'wrn_16_2'),
    ('wrn_40_2', 'wrn_40_1'),
    ('vgg13', 'vgg8'),
    ('resnet32x4', 'ShuffleV1'),
    ('resnet32x4', 'ShuffleV2'),
    ('ResNet50', 'MobileNetV2'),
    ('vgg13', 'MobileNetV2'),
    ('wrn_40_2', 'ShuffleV1'),
]


@pytest.fixture(scope='module')
def networks():
    """Each network is built once, and not changed."""
    built = {}

    def get(name):
        if name not in built:
            torch.manual_seed(0)
            built[name] = build_network(name).eval()
        return built[name]

    return get


@pytest.mark.parametrize('name', NETWORKS)
def test_sizes(name, networks):
    size = complexity(networks(name), NETWORKS[name].image_size)
    assert tuple(size) == SIZES[name]


def test_the_documented_table():
    """It is what tools/list_networks.py prints, as the sizes here are."""
    page = (ROOT / 'docs' / 'en' / 'networks.md').read_text()
    rows = [
        [cell.strip(' `') for cell in line.strip('|').split('|')]
        for line in page.splitlines()
        if line.startswith('| `') and line.count('|') == 8
    ]
    documented = {
        row[0]: tuple(int(cell.replace(',', '')) for cell in row[4:6])
        for row in rows
    }
    assert documented == SIZES
    widths = {row[0]: int(row[6]) for row in rows}
    assert widths['MobileNetV2'] == CIFARMobileNetV2().feat_dim == 1280
    assert widths['wrn_40_2'] == CIFARWideResNet(40, 2).feat_dim == 128


@pytest.mark.parametrize('name', MAPS)
def test_maps_and_taps(name, networks):
    """A tap gives the map before the ReLU whose output is the stage's."""
    model = networks(name)
    first = 0 if name.startswith('vgg') else 1
    stages = [
        f'layer{number}' for number in range(first, first + len(MAPS[name]))
    ]
    maps = {}
    hooks = [
        module.register_forward_hook(
            lambda module, inputs, output, key=key: maps.update({key: output})
        )
        for key, module in model.backbone.named_modules()
        if key.split('.')[0] in stages
    ]
    size = NETWORKS[name].image_size
    with torch.no_grad():
        (out,) = model.backbone(torch.randn(1, 3, size, size))
    for hook in hooks:
        hook.remove()
    assert [tuple(maps[stage].shape[1:]) for stage in stages] == MAPS[name]
    assert out.shape[1] == model.backbone.feat_dim
    for stage in stages:
        tap = maps[f'{stage}.preact']
        assert (tap < 0).any()
        if name == 'MobileNetV2':  # has no activation there
            assert torch.equal(tap, maps[stage])
            continue
        expected = tap.relu()
        if name == 'ShuffleV2':  # channels i and i + C / 2 become neighbours
            left, right = expected.chunk(2, 1)
            expected = torch.stack([left, right], 2).flatten(1, 2)
        assert torch.equal(expected, maps[stage])
        if name.startswith('wrn'):
            norm = getattr(model.backbone, stage).bn
            blocks = [key for key in maps if key.startswith(f'{stage}.')]
            blocks = [key for key in blocks if key.split('.')[-1].isdigit()]
            assert torch.equal(maps[f'{stage}.sum'], maps[blocks[-1]])
            assert torch.equal(norm(maps[f'{stage}.sum']), tap)


@pytest.mark.parametrize('teacher, student', PAIRS)
def test_the_program_finds_modules(teacher, student, networks):
    """Boundaries behind blocks, from shallow to deep, in every pair."""
    # A resnet8x4 has three blocks, and no boundary lies behind the last.
    count = 3 if student == 'resnet8x4' else 4
    models = networks(student), networks(teacher)
    found = partition(*models, count).local_modules
    if student == 'resnet8x4':
        with pytest.raises(SettingError, match='write at most num_modules=3'):
            partition(*models, 4)
    places = {
        role: [entry[role] for entry in found]
        for role in ('student', 'teacher')
    }
    for role, name in (('student', student), ('teacher', teacher)):
        order = [key for key, _ in networks(name).named_modules()]
        indices = [order.index(place) for place in places[role]]
        assert indices == sorted(indices)
        assert all(place.split('.')[-1].isdigit() for place in places[role])
    assert len(set(places['student'])) == len(found)
    assert len([e for e in found if 'isolate' not in e]) == count - 1


@pytest.mark.parametrize(
    'build, message',
    [
        (lambda: CIFARWideResNet(18), 'depth=18; choose one of 16, 22, 28'),
        (lambda: CIFARVGG(12), 'depth=12; choose one of 8, 11, 13'),
        (
            lambda: CIFARVGG(8, out_indices=(5,)),
            r'CIFARVGG has the stages 0, 1, 2, 3 and 4, but out_indices is',
        ),
        (lambda: CIFARMobileNetV2(out_indices=()), r'out_indices is \(\)'),
    ],
)
def test_wrong_options_are_refused(build, message):
    with pytest.raises(SettingError, match=message):
        build()
