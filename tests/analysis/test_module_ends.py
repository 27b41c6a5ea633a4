"""Where teacher and students are looked at."""

import pytest
from conftest import ROOT, classifier
from mmengine.config import Config
from mmrazor.registry import MODELS
from networks_to_cut import perceptron, resnet, swin, vit

from mmrazor_lakd.analysis import find_module_ends
from mmrazor_lakd.analysis.module_ends import (
    check_networks,
    choose_module_ends,
)
from mmrazor_lakd.analysis.places import find_places
from mmrazor_lakd.distillers.named_stages import expand_model
from mmrazor_lakd.errors import SettingError

MOBILENET = 'configs/kd/kd_vgg13_mobilenetv2_1xb64_cifar100.py'
KD = 'configs/kd/kd_resnet20_resnet8_1xb64_digits.py'
LAKD = 'configs/lakd/lakd_resnet20_resnet8_1xb64_digits.py'


def config(path):
    return Config.fromfile(str(ROOT / path))


def networks(cfg):
    return [
        MODELS.build(cfg.model[role]).eval()
        for role in ('architecture', 'teacher')
    ]


def find(cfg, modules=None):
    return choose_module_ends(
        cfg.model.distiller, *networks(cfg), modules=modules
    )


def names(ends):
    return [(end.title, end.student, end.teacher) for end in ends]


def taps(kind, numbers):
    return [
        (f'{kind} {place}', *[f'backbone.layer{number}.preact'] * 2)
        for place, number in enumerate(numbers, 1)
    ]


@pytest.mark.parametrize(
    ('path', 'expected'),
    [
        (LAKD, taps('module', [1, 2, 3])),
        (KD, taps('stage', [1, 2, 3])),
        (LAKD.replace('lakd', 'crd'), taps('stage', [1, 2, 3])),
        # widths and sizes differ
        (
            'configs/lakd/lakd_vgg13_mobilenetv2_1xb64_cifar100.py',
            taps('module', [1, 2, 3, 4]),
        ),
        (
            'configs/kd/kd_vgg13_vgg8_1xb64_cifar100.py',
            taps('stage', [0, 1, 2, 3, 4]),
        ),
    ],
)
def test_modules_of_the_projects_networks(path, expected):
    cfg = config(path)
    assert names(find(cfg)) == expected


def test_modules_that_the_program_chose():
    cfg = config(LAKD)
    del cfg.model.distiller['local_modules']
    cfg.model.distiller.num_modules = 3
    found = find(cfg)
    assert [end.title for end in found] == ['module 1', 'module 2', 'module 3']
    assert found[-1].student == 'backbone.layer3.preact'
    assert all(end.teacher.startswith('backbone.layer') for end in found)
    assert found[0].describe().count('layer') == 2


@pytest.mark.parametrize(
    ('path', 'end'),
    [
        (LAKD, 'layer3'),
        (LAKD, 'layer3.preact'),
        (LAKD, 'layer3.0'),
        # whose last convolution is behind all stages
        (MOBILENET.replace('kd/kd', 'lakd/lakd'), 'layer4.preact'),
    ],
)
def test_a_taught_last_stage_is_no_further_module(path, end):
    cfg = config(path)
    entries = expand_model(cfg.model)['distiller']['local_modules']
    cfg.model.distiller.local_modules = [
        *entries,
        dict(student=f'backbone.{end}', teacher=f'backbone.{end}'),
    ]
    found = find(cfg)
    assert len(found) == len(entries) + 1
    assert found[-1].student == f'backbone.{end}'


@pytest.mark.parametrize('path', [LAKD, KD, MOBILENET])
def test_tools_and_hook_look_at_the_same_places(path):
    """The hook has the distiller's own list, the tools have its settings."""
    cfg = config(path)
    student, teacher = networks(cfg)
    expected = find(cfg)
    size = (32, 32)
    models = dict(teacher=teacher, student=student)
    places = find_places(cfg.model.distiller, models, size)
    assert places.ends == expected
    entries = expand_model(cfg.model)['distiller'].get('local_modules')
    assert find_module_ends(student, teacher, entries, size) == expected


def test_networks_without_taps():
    """mmpretrain's: the last block of each stage, of the same depth."""
    cfg = config(KD)
    for role, depth in (('architecture', 18), ('teacher', 34)):
        cfg.model[role].backbone = dict(type='ResNet_CIFAR', depth=depth)
        cfg.model[role].head.in_channels = 512
    found = find(cfg)
    assert names(found) == [
        (
            f'stage {number}',
            f'backbone.layer{number}.1',
            f'backbone.layer{number}.{last}',
        )
        for number, last in ((1, 2), (2, 3), (3, 5), (4, 2))
    ]
    assert found[2].describe() == 'layer3.1, teacher: layer3.5'


def test_networks_without_maps():
    with pytest.raises(SettingError, match='no stages.*--modules'):
        find_module_ends(perceptron(), perceptron())


def test_transformers():
    """A ViT is one stage; a Swin has three, each as deep as the teacher's."""
    assert names(find_module_ends(vit(), vit())) == [
        ('stage 1', 'backbone.layers.11', 'backbone.layers.11')
    ]
    assert names(
        find_module_ends(swin(), resnet(20), input_size=(64, 64))
    ) == [
        (
            f'stage {n + 1}',
            f'backbone.stages.{n}.blocks.{last}',
            f'backbone.layer{n + 1}.2',
        )
        for n, last in enumerate((1, 1, 3))
    ]


def test_named_modules():
    cfg = config(LAKD)
    given = ['backbone.layer1', 'backbone.layer3.0:backbone.layer3.2']
    found = find(cfg, given)
    assert names(found) == [
        ('layer1', 'backbone.layer1', 'backbone.layer1'),
        ('layer3.0', 'backbone.layer3.0', 'backbone.layer3.2'),
    ]
    assert found[0].describe() == ''
    twice = find(cfg, ['backbone.layer1', 'backbone.layer1:backbone.layer2'])
    assert [end.title for end in twice] == ['layer1:layer1', 'layer1:layer2']
    for wrong, message in (
        (
            'backbone.layer9',
            "--modules: the teacher has no module 'backbone.layer9'; the "
            'nearest names are: backbone.layer',
        ),
        ('backbone.layer1.2', "the student has no module 'back"),
        ('head.fc', 'gives a tensor of shape'),
    ):
        with pytest.raises(SettingError, match=message):
            find(cfg, [wrong])


def test_students_that_do_not_fit():
    cfg = config(KD)
    student, teacher = networks(cfg)
    ends = find(cfg)
    plain = dict(classifier(8), backbone=dict(type='ResNet_CIFAR', depth=18))
    plain['head']['in_channels'] = 512
    for model_cfg, message in (
        (
            plain,
            "'x' has no module 'backbone.layer1.preact'.*nearest.*one arc",
        ),
        (classifier(8, num_classes=7), "teacher has 10 classes and 'x' 7"),
    ):
        models = dict(teacher=teacher, kd=student)
        check_networks(models, ends)
        models['x'] = MODELS.build(model_cfg).eval()
        with pytest.raises(SettingError, match=message):
            check_networks(models, ends)
