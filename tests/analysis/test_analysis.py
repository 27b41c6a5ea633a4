"""The analysis against what plain hooks and whole batches give."""

import copy
import math

import numpy as np
import pytest
import torch
from conftest import LOCAL_MODULES, ROOT, classifier
from mmengine.config import Config
from mmengine.dataset.utils import default_collate
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from networks_to_cut import perceptron
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler
from slow_cka import slow_cka
from torch.utils.data import DataLoader

from mmrazor_lakd.analysis import ModuleEnd, cells, map_correlation
from mmrazor_lakd.analysis.analysis import Analysis
from mmrazor_lakd.analysis.places import Places, find_places
from mmrazor_lakd.benchmark.cost.memory_trace import trace_memory
from mmrazor_lakd.checkpoints.networks import Network
from mmrazor_lakd.errors import SettingError
from mmrazor_lakd.losses import ndam_map
from mmrazor_lakd.tracing.features import read_maps

# mmpretrain's, with activations in place and without taps
INPLACE = dict(
    classifier(8, width=64),
    backbone=dict(
        type='ResNet_CIFAR', depth=18, base_channels=8, stem_channels=8
    ),
)
ENDS = [ModuleEnd(*[f'backbone.layer{i}'] * 2, f'end {i}') for i in (1, 3)]


def network(label, cfg, seed):
    """An untrained network with statistics of its own."""
    torch.manual_seed(seed)
    model = MODELS.build(copy.deepcopy(cfg))
    model.init_weights()
    model.train()
    with torch.no_grad():
        model(torch.randn(16, 3, 32, 32), mode='tensor')
    preprocessor = MODELS.build(
        dict(type='ClsDataPreprocessor', mean=[100.0] * 3, std=[50.0] * 3)
    )
    return Network(label, model.eval(), preprocessor, 'config', 'checkpoint')


def loader(count, batch_size, classes=10):
    """Random images of a size, in batches."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(
        256, (count, 3, 32, 32), generator=generator, dtype=torch.uint8
    )
    samples = [
        dict(inputs=image, data_samples=DataSample().set_gt_label(i % classes))
        for i, image in enumerate(images)
    ]
    return DataLoader(samples, batch_size, collate_fn=default_collate)


def whole(model, name):
    """All images' maps of one module, with a plain hook."""
    found = []
    handle = model.get_submodule(name).register_forward_hook(
        lambda module, inputs, output: found.append(output)
    )
    batch = next(iter(loader(24, 24)))
    images = (batch['inputs'].float() - 100) / 50
    with torch.no_grad():
        logits = model(images, mode='tensor')
    handle.remove()
    return found[0], logits


@pytest.fixture(scope='module')
def networks():
    return [
        network('teacher', classifier(14), 0),
        network('student', classifier(8), 1),
        network('alone', classifier(8), 2),
    ]


def analysis(networks, **kwargs):
    blocks = [
        ['backbone.layer2.0', 'backbone.layer3.1'],
        ['backbone.layer1.0', 'backbone.layer2.0', 'backbone.layer3.0'],
        ['backbone.layer2.0'],
    ]
    end_blocks = [
        [None, 'backbone.layer3.1'],
        ['backbone.layer1.0', 'backbone.layer3.0'],
        [None, 'backbone.layer2.0'],
    ]
    places = Places(ENDS, blocks, end_blocks)
    return Analysis(networks, places, **kwargs)


def two_places():
    return Places(ENDS, [['backbone.layer2.0']] * 2, [[None, None]] * 2)


def test_figures_are_those_of_all_images_at_once(networks):
    watched = []
    found = analysis(networks, grid=2, watch=watched.append).measure(
        loader(24, 10)
    )
    assert sum(watched) == 3 * 24 and found['images'] == 24
    matrices = {matrix['student']: matrix for matrix in found['matrices']}
    matrix = matrices['student']
    assert matrix['rows'] == [f'backbone.layer{i}.0' for i in (1, 2, 3)]
    assert matrix['columns'] == ['backbone.layer2.0', 'backbone.layer3.1']
    assert matrix['ends'] == [[2, 1]]  # the other's block is not there
    assert len(matrices['alone']['cka']) == 1
    teacher, student, _ = (item.model for item in networks)
    for i, row in enumerate(matrix['rows']):
        for j, column in enumerate(matrix['columns']):
            x, y = whole(student, row)[0], whole(teacher, column)[0]
            expected = slow_cka(cells(x, 2), cells(y, 2))
            assert matrix['cka'][i][j] == pytest.approx(expected, abs=1e-6)
    assert [row['student'] for row in found['modules']] == (
        ['student'] * 2 + ['alone'] * 2
    )
    for row, name in zip(found['modules'], [e.student for e in ENDS]):
        (x, s_logits), (y, t_logits) = (
            whole(student, name),
            whole(teacher, name),
        )
        assert row['student_map'] == row['teacher_map'] == name
        expected = slow_cka(cells(x, 2), cells(y, 2))
        assert row['cka'] == pytest.approx(expected, abs=1e-6)
        r = map_correlation(ndam_map(x), ndam_map(y)).mean().item()
        assert row['ndam_r'] == pytest.approx(r, abs=1e-6)
        assert row['probe_student'] is None
    same = s_logits.argmax(1) == t_logits.argmax(1)
    assert found['agreement'][0]['all'] == pytest.approx(
        same.float().mean().item()
    )
    assert [row['label'] for row in found['gains']] == list('0123456789')
    assert {row['against'] for row in found['gains']} == {'alone'}


def test_a_copy_of_the_teacher(networks):
    teacher = networks[0]
    copied = teacher._replace(label='copy')
    run = Analysis([teacher, copied], two_places())
    found = run.measure(loader(24, 8))
    for row in found['modules']:
        assert row['cka'] == pytest.approx(1, abs=1e-9)
        assert row['ndam_r'] == pytest.approx(1, abs=1e-9)
    assert found['agreement'][0]['all'] == 1
    assert found['agreement'][0]['divergence'] == 0
    assert found['accuracies'][0] == found['accuracies'][1]


def test_probes_are_fitted_to_all_images_at_once(networks):
    run = analysis(networks[:2])
    found = run.measure(loader(24, 7), run.fit_probes(loader(24, 10)))
    labels = np.arange(24) % 10
    for row, name in zip(found['modules'], [e.student for e in ENDS]):
        for role, item in zip(('teacher', 'student'), networks):
            maps = whole(item.model, name)[0]
            x = maps.double().relu().mean((2, 3)).numpy()
            scaler = StandardScaler().fit(x)
            x = scaler.transform(x)[:, scaler.var_ > 1e-12]
            ridge = Ridge(alpha=1e-3 * 24).fit(x, np.eye(10)[labels])
            expected = (ridge.predict(x).argmax(1) == labels).mean()
            assert row[f'probe_{role}'] == pytest.approx(expected)
    assert row['probe_student'] > 0.2  # by chance 0.1


def test_memory_does_not_grow_with_the_images(networks):
    def peak(count):
        run, images = analysis(networks), loader(count, 8)

        def step():
            run.measure(images, run.fit_probes(images))

        return trace_memory(step, 'cpu').peak

    few, many = peak(16), peak(64)
    # Python's order of releases may differ by a little.
    assert abs(many - few) < 0.02 * few, (few, many)


def test_refuses_other_classes(networks):
    other = network('other', classifier(8, num_classes=7), 0)
    models = {item.label: item.model for item in (networks[0], other)}
    with pytest.raises(SettingError, match="10 classes and 'other' 7"):
        find_places(dict(), models, (32, 32))
    for look in (analysis(networks).measure, analysis(networks).fit_probes):
        with pytest.raises(SettingError, match='has the label 11'):
            look(loader(12, 4, classes=12))


def test_maps_are_read_before_an_activation_in_place():
    model = network('inplace', INPLACE, 0).model
    assert model.backbone.relu.inplace
    images = torch.randn(4, 3, 32, 32)
    name = f'backbone.{model.backbone.norm1_name}'
    _, found = read_maps(model, images, {name: torch.Tensor.clone})
    assert (found[name] < 0).any()
    assert not any(m._forward_hooks for m in model.modules())


def heights(model):
    """Height of each module's map, for an image of 32x32."""
    found = {}

    def hook(name):
        def note(module, inputs, output):
            if isinstance(output, torch.Tensor) and output.dim() == 4:
                found[name] = output.shape[2]

        return note

    handles = [
        module.register_forward_hook(hook(name))
        for name, module in model.named_modules()
    ]
    with torch.no_grad():
        model(torch.zeros(1, 3, 32, 32), mode='tensor')
    for handle in handles:
        handle.remove()
    return found


@pytest.mark.parametrize(
    'method, pair, modules',
    [
        ('lakd', 'resnet32x4_shufflenetv1_1xb64_cifar100', 3),
        ('lakd', 'vgg13_mobilenetv2_1xb64_cifar100', 4),
        ('lakd', 'wrn-40-2_wrn-16-2_1xb64_cifar100', 3),
        ('kd', 'vgg13_mobilenetv2_1xb64_cifar100', 4),
    ],
)
def test_networks_of_other_widths_and_sizes(method, pair, modules):
    cfg = Config.fromfile(ROOT / f'configs/{method}/{method}_{pair}.py')
    networks = [
        network('teacher', cfg.model.teacher, 0),
        network('student', cfg.model.architecture, 1),
    ]
    models = {item.label: item.model for item in networks}
    places = find_places(cfg.model.distiller, models, (32, 32))
    assert len(places.ends) == modules
    run = Analysis(networks, places)
    images = loader(12, 6, classes=100)
    found = run.measure(images, run.fit_probes(images))
    sizes = {role: heights(models[role]) for role in models}
    for row in found['modules']:
        for key in ('cka', 'probe_student', 'probe_teacher'):
            assert 0 <= row[key] <= 1 + 1e-9, row
        # In maps of 2x2, NDAM's window of 3x3 sees the whole map everywhere.
        constant = min(
            sizes[role][row[f'{role}_map']] for role in sizes
        ) <= 2  # fmt: skip
        assert constant == math.isnan(row['ndam_r']), row
        assert constant or -1 <= row['ndam_r'] <= 1, row
    assert len(found['matrices'][0]['cka']) == len(places.blocks[1])
    assert len(found['matrices'][0]['ends']) == len(places.ends)


def test_local_modules_are_the_places(networks):
    models = {item.label: item.model for item in networks}
    three = [f'backbone.layer{i}.preact' for i in (1, 2, 3)]
    settings = dict(local_modules=LOCAL_MODULES)
    ends, _, end_blocks = find_places(settings, models, (32, 32))
    blocks = [f'backbone.layer{i}.1' for i in (1, 2, 3)]
    assert end_blocks[0] == blocks
    blocks = [f'backbone.layer{i}.0' for i in (1, 2, 3)]
    assert end_blocks[1] == end_blocks[2] == blocks
    assert [end.student for end in ends] == three
    assert [end.teacher for end in ends] == three
    # A taught last module is no further one.
    taught = [dict(student=name, teacher=name) for name in three]
    ends, *_ = find_places(dict(local_modules=taught), models, (32, 32))
    assert [end.student for end in ends] == three
    ends, *_ = find_places(dict(num_modules=2), models, (32, 32))
    # one cut, the end of the second stage without one, and the rest
    assert len(ends) == 3 and ends[-1].student == three[-1]
    ends, blocks, _ = find_places(dict(), models, (32, 32))
    assert [end[:2] for end in ends] == [(name, name) for name in three]
    named = ['backbone.layer2.0:backbone.layer2.1']
    ends, _, end_blocks = find_places(dict(), models, (32, 32), named)
    assert [end[:2] for end in ends] == [tuple(named[0].split(':'))]
    assert [names[-1:] for names in end_blocks] == [
        [end] for end in (ends[0].teacher, *[ends[0].student] * 2)
    ]
    assert [len(names) for names in blocks] == [6, 3, 3]


def test_refuses_students_without_the_modules(networks):
    models = {item.label: item.model for item in networks[:2]}
    models['wide'] = network('wide', INPLACE, 0).model
    with pytest.raises(SettingError, match="'wide' has no module"):
        find_places(dict(local_modules=LOCAL_MODULES), models, (32, 32))


def test_refuses_networks_without_blocks(networks):
    models = {item.label: item.model for item in networks[:1]}
    models['flat'] = perceptron()
    with pytest.raises(SettingError, match='The student has no blocks'):
        find_places(dict(), models, (32, 32))
