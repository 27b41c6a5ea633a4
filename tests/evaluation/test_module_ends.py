"""Where teacher and students are looked at."""

import pytest
from conftest import ROOT, classifier
from mmengine.config import Config
from mmrazor.registry import MODELS

from mmrazor_lakd.errors import SettingError
from mmrazor_lakd.evaluation.networks import Network
from mmrazor_lakd.visualization.boundaries import (
    check_networks,
    find_boundaries,
)

KD = 'configs/kd/kd_resnet20_resnet8_1xb64_digits.py'
LAKD = 'configs/lakd/lakd_resnet20_resnet8_1xb64_digits.py'


def config(path):
    return Config.fromfile(str(ROOT / path))


def networks(cfg):
    found = []
    for role in ('architecture', 'teacher'):
        model = MODELS.build(cfg.model[role]).eval()
        found.append(Network(role, model, model.data_preprocessor, '', ''))
    return found


def names(boundaries):
    return [(b.title, b.student, b.teacher) for b in boundaries]


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
    assert names(find_boundaries(cfg, *networks(cfg))) == expected


def test_modules_that_the_program_chose():
    cfg = config(LAKD)
    del cfg.model.distiller['local_modules']
    cfg.model.distiller.num_modules = 3
    found = find_boundaries(cfg, *networks(cfg))
    assert [b.title for b in found] == ['module 1', 'module 2', 'module 3']
    assert found[-1].student == 'backbone.layer3.preact'
    assert all(b.teacher.startswith('backbone.layer') for b in found)
    assert found[0].describe().count('layer') == 2


def test_a_taught_last_stage_is_no_further_module():
    cfg = config(LAKD)
    cfg.model.distiller.local_modules.append(
        dict(
            student='backbone.layer3', teacher='backbone.layer3', isolate=False
        )
    )
    found = find_boundaries(cfg, *networks(cfg))
    assert [b.student for b in found][2:] == ['backbone.layer3']


def test_networks_without_taps():
    """mmpretrain's: the last block of each stage, of the same depth."""
    cfg = config(KD)
    for role, depth in (('architecture', 18), ('teacher', 34)):
        cfg.model[role].backbone = dict(type='ResNet_CIFAR', depth=depth)
        cfg.model[role].head.in_channels = 512
    found = find_boundaries(cfg, *networks(cfg))
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
    cfg = config(KD)
    for role in ('architecture', 'teacher'):
        cfg.model[role] = dict(
            type='ImageClassifier',
            backbone=dict(
                type='VisionTransformer', arch='deit-t', img_size=32
            ),
            head=dict(
                type='VisionTransformerClsHead', num_classes=4, in_channels=192
            ),
        )
    with pytest.raises(SettingError, match='no stages.*--modules'):
        find_boundaries(cfg, *networks(cfg))


def test_named_modules():
    cfg = config(LAKD)
    pair = networks(cfg)
    given = ['backbone.layer1', 'backbone.layer3.0:backbone.layer3.2']
    found = find_boundaries(cfg, *pair, given)
    assert names(found) == [
        ('layer1', 'backbone.layer1', 'backbone.layer1'),
        ('layer3.0', 'backbone.layer3.0', 'backbone.layer3.2'),
    ]
    assert found[0].describe() == ''
    for wrong, message in (
        (
            'backbone.layer9',
            "--modules: the teacher has no module 'backbone.layer9'; the "
            'nearest names are: backbone.layer',
        ),
        ('backbone.layer1.2', "the student architecture has no module 'back"),
        ('head.fc', 'gives a tensor of shape'),
    ):
        with pytest.raises(SettingError, match=message):
            find_boundaries(cfg, *pair, [wrong])


def test_students_that_do_not_fit():
    cfg = config(KD)
    student, teacher = networks(cfg)
    boundaries = find_boundaries(cfg, student, teacher)
    plain = dict(classifier(8), backbone=dict(type='ResNet_CIFAR', depth=18))
    plain['head']['in_channels'] = 512
    for model_cfg, message in (
        (plain, "--modules: the student x has no module 'backbone.layer1.pre"),
        (
            classifier(8, num_classes=7),
            'The student x has 7 classes, the teacher 10',
        ),
    ):
        model = MODELS.build(model_cfg).eval()
        other = Network('x', model, model.data_preprocessor, '', '')
        with pytest.raises(SettingError, match=message):
            check_networks(boundaries, [teacher, other])
