"""Teacher and students from every kind of checkpoint, and their modules."""

import pytest
import torch
from conftest import ROOT, classifier
from mmengine.config import Config
from mmrazor.registry import MODELS

from mmrazor_lakd.errors import SettingError
from mmrazor_lakd.visualization.boundaries import (
    check_networks,
    find_boundaries,
)
from mmrazor_lakd.visualization.networks import (
    Network,
    check_labels,
    list_classes,
    load_student,
    load_teacher,
    name_config,
    parse_student,
)
from mmrazor_lakd.visualization.subjects import read_config

KD = 'configs/kd/kd_resnet20_resnet8_1xb64_digits.py'
LAKD = 'configs/lakd/lakd_resnet20_resnet8_1xb64_digits.py'
ALONE = 'configs/teachers/resnet8_1xb64_digits.py'


def config(path, **options):
    cfg = Config.fromfile(str(ROOT / path))
    cfg.merge_from_dict(options)
    return cfg


def make(depth, seed):
    """A ResNet whose weights no other seed has."""
    torch.manual_seed(seed)
    model = MODELS.build(classifier(depth))
    model.init_weights()
    return model.state_dict()


def prefixed(prefix, weights):
    return {prefix + key: value for key, value in weights.items()}


def save(path, *parts, **others):
    weights = {k: v for part in parts for k, v in part.items()}
    torch.save(dict(state_dict=weights, **others), path)
    return str(path)


def same(network, weights):
    own = network.model.state_dict()
    return all(torch.equal(own[key].cpu(), weights[key]) for key in weights)


def test_student_from_each_kind_of_checkpoint(tmp_path):
    student = make(8, 1)
    inside = prefixed('architecture.', student)
    extra = {'distiller.connectors.c.weight': torch.zeros(3)}
    teacher = prefixed('teacher.', make(20, 2))
    kinds = [
        save(tmp_path / 'bare.pth', student),
        save(tmp_path / 'ours.pth', inside, extra),
        save(tmp_path / 'full.pth', inside, teacher, extra),
    ]
    torch.save(student, tmp_path / 'weights.pth')
    for path in (*kinds, str(tmp_path / 'weights.pth')):
        for cfg in (config(KD), config(ALONE)):
            found, _ = load_student(cfg, path, 'x', 'checkpoint')
            assert same(found, student) and not found.model.training
            # the config's, not ImageNet's or none
            assert found.preprocessor.mean[0].item() == pytest.approx(77.758)


def test_which_teacher(tmp_path):
    """The one named, else the one in the checkpoint, else the config's."""
    weights = [make(20, seed) for seed in range(3)]
    named = save(tmp_path / 'named.pth', weights[0])
    held = dict(state_dict=prefixed('teacher.', weights[1]))
    # of a training in which the teacher was the student
    own = save(tmp_path / 'own.pth', prefixed('architecture.', weights[2]))
    cfg = config(KD, **{'model.teacher_ckpt': own})
    none = dict(state_dict={})
    for arguments, expected, source in (
        ((held, named), weights[0], named),
        ((held,), weights[1], "the student's checkpoint"),
        ((none,), weights[2], own),
    ):
        network, told = load_teacher(cfg, KD, *arguments)
        assert same(network, expected) and told == source
    cfg.model.teacher_ckpt = None
    with pytest.raises(SettingError, match='give it as --teacher CHECKPOINT'):
        load_teacher(cfg, KD, none)
    with pytest.raises(SettingError, match="'gone.pth' does not exist"):
        load_teacher(cfg, KD, none, 'gone.pth')
    with pytest.raises(SettingError, match='has no teacher to compare with'):
        load_teacher(config(ALONE), ALONE, held)


def test_wrong_checkpoints(tmp_path):
    cfg = config(KD)
    teacher = save(tmp_path / 'teacher.pth', make(20, 0))
    with pytest.raises(SettingError, match="than the student's"):
        load_student(cfg, teacher, 'x', 'checkpoint')
    torch.save([1, 2], tmp_path / 'list.pth')
    with pytest.raises(SettingError, match='holds a list instead of weights'):
        load_student(cfg, str(tmp_path / 'list.pth'), 'x', 'checkpoint')
    (tmp_path / 'image.png').write_bytes(b'\x89PNG and so on')
    with pytest.raises(SettingError, match='truncated or no checkpoint'):
        load_student(cfg, str(tmp_path / 'image.png'), 'x', 'checkpoint')


def test_wrong_configs():
    data = str(ROOT / 'configs/_base_/datasets/digits_bs64.py')
    with pytest.raises(SettingError, match='has no model'):
        read_config(data)
    with pytest.raises(SettingError, match='config first and then'):
        read_config(str(ROOT / 'README.md'))
    with pytest.raises(SettingError, match='kd_resnet20_resnet8_1xb64_digits'):
        read_config(str(ROOT / 'configs/kd/kd_resnet20_resnet8_digits.py'))


def test_parse_student(tmp_path):
    assert parse_student('c/kd/kd_x.py,w/kd/e.pth')[:] == (
        'kd',
        'c/kd/kd_x.py',
        'w/kd/e.pth',
    )
    path = tmp_path / 'a,b.pth'
    path.touch()
    found = parse_student(f'{path},label=a, and b')
    assert found[:] == ('a, and b', None, str(path))
    assert parse_student(str(path)).label == tmp_path.name
    assert name_config('configs/teachers/resnet8_1xb64_digits.py') == (
        'resnet8_1xb64_digits'
    )
    check_labels(['a', 'b'])
    for labels in (['a', 'a'], ['teacher']):
        with pytest.raises(SettingError, match='Two networks are called'):
            check_labels(labels)


def test_classes():
    assert list_classes(config(KD), {}) == list('0123456789')
    cfg = config(KD)
    cfg.test_dataloader.dataset.metainfo = dict(classes=('a', 'b'))
    assert list_classes(cfg, {}) == ['a', 'b']
    cfg.test_dataloader.dataset = dict(type='CustomDataset')
    meta = dict(meta=dict(dataset_meta=dict(classes=('c', 'd'))))
    assert list_classes(cfg, meta) == ['c', 'd']
    assert list_classes(cfg, {}) == []


# ------------------------------------------------------------ which modules


def networks(cfg):
    found = []
    for role in ('architecture', 'teacher'):
        model = MODELS.build(cfg.model[role]).eval()
        found.append(Network(role, model, model.data_preprocessor))
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
        other = Network('x', model, model.data_preprocessor)
        with pytest.raises(SettingError, match=message):
            check_networks(boundaries, [teacher, other])
