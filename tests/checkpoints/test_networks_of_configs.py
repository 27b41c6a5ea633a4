"""Teacher and students of every config, from every kind of checkpoint."""

from pathlib import Path

import pytest
import torch
from conftest import ROOT, classifier
from mmengine.model import BaseDataPreprocessor
from mmengine.registry import MODELS as ALL_MODELS
from mmengine.registry import DefaultScope, Registry
from mmpretrain.registry import TRANSFORMS
from mmrazor.registry import MODELS

from mmrazor_lakd.checkpoints.networks import (
    Choice,
    check_labels,
    load_networks,
    load_student,
    load_teacher,
    name_config,
    parse_choice,
    read_config,
)
from mmrazor_lakd.config_writer import choose, list_methods, write_config
from mmrazor_lakd.errors import SettingError

PAIR = 'resnet20_resnet8_1xb64_digits'
METHODS = [name for name in list_methods(ROOT / 'configs') if name != 'alone']
KD = str(ROOT / f'configs/kd/kd_{PAIR}.py')
ALONE = str(ROOT / 'configs/teachers/resnet8_1xb64_digits.py')
TEACHER = str(ROOT / 'configs/teachers/resnet20_1xb64_digits.py')
NONE = dict(state_dict={})


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


def student(cfg, path):
    return load_student(cfg, Choice(KD, path, 'x'), 'checkpoint')[0]


def test_there_are_methods():
    assert {'lakd', 'kd', 'fitnet', 'crd', 'reviewkd'} <= set(METHODS)


# Of SimKD and NORM the student has another head than the plain one's weights.
@pytest.mark.parametrize('method', sorted({*METHODS} - {'simkd', 'norm'}))
def test_every_methods_student_and_teacher(method, tmp_path):
    path = str(tmp_path / method / f'{method}_{PAIR}.py')
    write_config(choose(ROOT / 'configs', method, PAIR), Path(path))
    weights = make(20, 0), make(8, 1)
    chosen = dict(
        config=path,
        checkpoint=save(
            tmp_path / 'b.pth', prefixed('architecture.', weights[1])
        ),
        label=None,
        teacher=None,
        compare=[save(tmp_path / 'a.pth', weights[1]) + ',label=alone'],
        options={'model.teacher_ckpt': save(tmp_path / 't.pth', weights[0])},
    )
    cfg, networks, checkpoint = load_networks(**chosen)
    assert cfg.model.teacher.backbone.depth == 20 and len(checkpoint) == 1
    assert [item.label for item in networks] == ['teacher', method, 'alone']
    assert [item.config for item in networks] == [path] * 3
    files = [
        cfg.model.teacher_ckpt,
        chosen['checkpoint'],
        chosen['compare'][0][:-12],
    ]
    assert [item.checkpoint for item in networks] == files
    for network, own in zip(networks, (*weights, weights[1])):
        # Two of the files hold the same weights, under other names.
        assert same(network, own) and not network.model.training
        # the config's, not ImageNet's or none
        mean = network.preprocessor.mean.flatten().tolist()
        assert mean == pytest.approx([77.758] * 3)


def test_the_teacher_gets_the_students_images(tmp_path):
    """Where the preprocessor is the student's own, as make_config writes."""
    config = tmp_path / 'own.py'
    config.write_text(
        f'_base_ = {KD!r}\n'
        f'data_preprocessor = None\n'
        f'model = dict(architecture=dict(data_preprocessor=dict('
        f"type='mmpretrain.ClsDataPreprocessor', mean=[5.0], std=[2.0])))\n"
    )
    weights = prefixed('architecture.', make(8, 1))
    weights.update(prefixed('teacher.', make(20, 0)))
    chosen = (str(config), save(tmp_path / 'student.pth', weights))
    path = save(tmp_path / 'teacher.pth', make(20, 0))
    for teacher in (None, path):
        found, own = load_networks(*chosen, teacher=teacher)[1]
        for network in (found, own):
            assert network.preprocessor.mean.flatten().tolist() == [5.0]
    # one that was trained alone has its own
    other = load_networks(*chosen, teacher=f'{TEACHER},{path}')[1][0]
    assert other.preprocessor.mean[0].item() == pytest.approx(77.758)


def test_student_from_each_kind_of_checkpoint(tmp_path):
    weights = make(8, 1)
    inside = prefixed('architecture.', weights)
    extra = {'distiller.connectors.c.weight': torch.zeros(3)}
    teacher = prefixed('teacher.', make(20, 2))
    kinds = [
        save(tmp_path / 'bare.pth', weights),
        save(tmp_path / 'ours.pth', inside, extra),
        save(tmp_path / 'full.pth', inside, teacher, extra),
    ]
    torch.save(weights, tmp_path / 'weights.pth')
    for path in (*kinds, str(tmp_path / 'weights.pth')):
        for cfg in (read_config(KD), read_config(ALONE)):
            found = student(cfg, path)
            assert same(found, weights) and not found.model.training
            assert found.preprocessor.mean[0].item() == pytest.approx(77.758)


def test_which_teacher(tmp_path):
    """The one named, else the one in the checkpoint, else the config's."""
    weights = [make(20, seed) for seed in range(3)]
    named = save(tmp_path / 'named.pth', weights[0])
    held = dict(state_dict=prefixed('teacher.', weights[1]))
    # of a training in which the teacher was the student
    own = save(tmp_path / 'own.pth', prefixed('architecture.', weights[2]))
    cfg = read_config(KD, {'model.teacher_ckpt': own})
    for arguments, expected, source in (
        ((held, Choice(None, named, 'x')), weights[0], named),
        ((held,), weights[1], "the student's checkpoint"),
        ((NONE,), weights[2], own),
    ):
        network = load_teacher(cfg, KD, *arguments)
        assert same(network, expected)
        assert network.checkpoint == source and network.config == KD
        assert network.label == ('x' if source == named else 'teacher')


def test_networks_of_other_files(tmp_path):
    """A config of one's own and one of a package, each with keys beside."""
    own = tmp_path / 'own.py'
    own.write_text(
        f"default_scope = 'mmpretrain'\nmodel = {classifier(14)!r}\n"
    )
    cfg = read_config(KD)
    cfg.model.teacher = dict(cfg_path=str(own), backbone=dict(depth=20))
    cfg.model.architecture = dict(
        cfg_path='mmpretrain::resnet/resnet18_8xb16_cifar10.py',
        backbone=dict(base_channels=8, stem_channels=8),
        head=dict(num_classes=4, in_channels=64),
    )
    cfg.model.teacher_ckpt = save(tmp_path / 'teacher.pth', make(20, 0))
    assert same(load_teacher(cfg, KD, NONE), make(20, 0))
    network = dict(
        type='mmpretrain.ImageClassifier',
        backbone=dict(
            type='ResNet_CIFAR', depth=18, base_channels=8, stem_channels=8
        ),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(type='LinearClsHead', num_classes=4, in_channels=64),
    )
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        weights = MODELS.build(network).state_dict()
    path = save(tmp_path / 'student.pth', prefixed('architecture.', weights))
    assert same(student(cfg, path), weights)


def test_another_teacher(tmp_path):
    """To a plain config too, which has none of its own."""
    weights = make(20, 0)
    path = save(tmp_path / 'teacher.pth', weights)
    choice = parse_choice(f'{TEACHER},{path}', '--teacher', 'teacher')
    for config in (ALONE, KD):
        found = load_teacher(read_config(config), config, NONE, choice)
        assert same(found, weights) and found.config == TEACHER
        assert found.label == 'teacher'


@pytest.fixture
def other_package():
    """Another package of OpenMMLab's, with a preprocessor of its own."""
    parts = Registry('model', parent=ALL_MODELS, scope='other')
    parts.register_module('OtherPreprocessor', module=BaseDataPreprocessor)
    yield
    ALL_MODELS.children.pop('other')


@pytest.mark.parametrize('distils', [False, True])
def test_preprocessor_of_another_package(other_package, distils, tmp_path):
    """As its own configs name it, without the scope."""
    model = classifier(20)
    if distils:
        model = dict(
            type='mmrazor.FrozenTeacherDistill',
            architecture=model,
            teacher=classifier(20),
        )
    path = tmp_path / 'own.py'
    path.write_text(
        f"default_scope = 'other'\nmodel = {model!r}\n"
        f"data_preprocessor = dict(type='OtherPreprocessor')\n"
    )
    checkpoint = save(tmp_path / 'a.pth', make(20, 0))
    choice = Choice(str(path), checkpoint, 'x')
    network = load_student(read_config(str(path)), choice, '--compare')[0]
    assert type(network.preprocessor) is BaseDataPreprocessor


@TRANSFORMS.register_module()
class LoadImageFromArray:
    """Nothing says whether its images begin with red or with blue."""


@pytest.mark.parametrize('known', [True, False])
def test_another_order_of_the_channels(known, tmp_path):
    """A preprocessor would lead them to its network the other way round."""
    path = tmp_path / 'files.py'
    load = dict(type='LoadImageFrom' + ('File' if known else 'Array'))
    path.write_text(
        f'_base_ = {ALONE!r}\ntest_dataloader = '
        f'dict(dataset=dict(_delete_=True, type="ImageNet", '
        f'pipeline=[{load!r}]))\n'
    )
    weights = save(tmp_path / 'a.pth', make(8, 1))
    master = f'{TEACHER},{save(tmp_path / "t.pth", make(20, 0))}'
    arguments = KD, weights, None, master, [f'{path},{weights},label=other']
    if known:
        with pytest.raises(SettingError, match='as BGR, but .* as RGB'):
            load_networks(*arguments)
    else:
        assert len(load_networks(*arguments)[1]) == 3


def test_teachers_that_are_missing(tmp_path):
    cfg = read_config(KD, {'model.teacher_ckpt': 'gone.pth'})
    with pytest.raises(SettingError, match="teacher_ckpt='gone.pth' does"):
        load_teacher(cfg, KD, NONE)
    with pytest.raises(SettingError, match="--teacher='gone.pth' does not"):
        load_teacher(cfg, KD, NONE, Choice(None, 'gone.pth', 'x'))
    wrong = Choice(None, save(tmp_path / 'wrong.pth', make(8, 0)), 'x')
    with pytest.raises(SettingError, match='--teacher=.* of another arch'):
        load_teacher(cfg, KD, NONE, wrong)
    cfg.model.teacher_ckpt = None
    with pytest.raises(SettingError, match='no checkpoint of its teacher'):
        load_teacher(cfg, KD, NONE)
    with pytest.raises(SettingError, match='add --teacher CONFIG.py,CHECK'):
        load_teacher(read_config(ALONE), ALONE, NONE)


def test_wrong_checkpoints(tmp_path):
    cfg = read_config(KD)
    teacher = save(tmp_path / 'teacher.pth', make(20, 0))
    with pytest.raises(SettingError, match="than the student's"):
        student(cfg, teacher)
    torch.save([1, 2], tmp_path / 'list.pth')
    with pytest.raises(SettingError, match='holds a list instead of weights'):
        student(cfg, str(tmp_path / 'list.pth'))
    (tmp_path / 'image.png').write_bytes(b'\x89PNG and so on')
    with pytest.raises(SettingError, match='truncated or no checkpoint'):
        student(cfg, str(tmp_path / 'image.png'))


def test_wrong_configs():
    with pytest.raises(SettingError, match='has no model'):
        read_config(str(ROOT / 'configs/_base_/datasets/digits_bs64.py'))
    with pytest.raises(SettingError, match='config first and then'):
        read_config(str(ROOT / 'README.md'))
    with pytest.raises(SettingError, match=f'kd_{PAIR}'):
        read_config(KD.replace('_1xb64', ''))


@pytest.mark.parametrize(
    'text, expected',
    [
        ('a/b.pth', (None, 'a/b.pth', 'a')),
        ('b.pth', (None, 'b.pth', 'b')),
        ('../b.pth', (None, '../b.pth', ROOT.parent.name)),
        ('c/a.py,b.pth', ('c/a.py', 'b.pth', 'a')),
        ('c/kd/kd_x.py,w/k/e.pth', ('c/kd/kd_x.py', 'w/k/e.pth', 'kd')),
        ('c/a.py,b.pth,label=x, y', ('c/a.py', 'b.pth', 'x, y')),
        ('c/a.py,b,c.pth,label=x.py,y', ('c/a.py', 'b,c.pth', 'x.py,y')),
        ('c,d.py,b.pth', ('c,d.py', 'b.pth', 'c,d')),
        ('b,c.pth,label=x', (None, 'b,c.pth', 'x')),
        ('a/b.pth,label=', (None, 'a/b.pth', 'a')),
    ],
)
def test_choices(text, expected, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert parse_choice(text, '--compare') == expected


@pytest.mark.parametrize(
    'text', ['', 'a.py', 'label=x', 'a.py,label=x', 'a.py,,label=x']
)
def test_no_choice(text):
    with pytest.raises(SettingError, match='--compare takes CHECKPOINT or'):
        parse_choice(text, '--compare')


def test_labels():
    assert name_config(ALONE) == 'resnet8_1xb64_digits'
    assert parse_choice('a/b.pth', '--teacher', 'teacher').label == 'teacher'
    check_labels(['teacher', 'a', 'b'])
    with pytest.raises(SettingError, match="Two networks are called 'a'"):
        check_labels(['teacher', 'a', 'a'])
    for others in (['a/teacher/b.pth'], ['kd/b.pth'], ['a/b.pth', 'a/c.pth']):
        with pytest.raises(SettingError, match='label=NAME behind a comma'):
            load_networks(KD, 'x', compare=others)
