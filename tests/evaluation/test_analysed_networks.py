"""Which networks are loaded, for every method's config, and which refused."""

import pytest
import torch
from conftest import ROOT, classifier
from mmpretrain.registry import MODELS

from mmrazor_lakd.errors import SettingError
from mmrazor_lakd.evaluation.data import (
    evenly_spaced,
    make_probe_loader,
    make_test_loader,
)
from mmrazor_lakd.evaluation.networks import (
    Choice,
    check_labels,
    load_student,
    load_teacher,
    parse_choice,
    read_config,
)

PAIR = 'resnet20_resnet8_1xb64_digits'
ALONE = str(ROOT / 'configs/teachers/resnet8_1xb64_digits.py')
METHODS = sorted(
    path.parent.name for path in ROOT.glob(f'configs/*/*_{PAIR}.py')
)


def config(method):
    return str(ROOT / f'configs/{method}/{method}_{PAIR}.py')


def save(path, depth, prefix='', seed=0):
    torch.manual_seed(seed)
    model = MODELS.build(classifier(depth))
    model.init_weights()
    state = {f'{prefix}{k}': v for k, v in model.state_dict().items()}
    torch.save(dict(state_dict=state), path)
    return str(path)


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp('networks')
    return dict(
        teacher=save(folder / 'teacher.pth', 20),
        alone=save(folder / 'alone.pth', 8, seed=1),
        distilled=save(folder / 'distilled.pth', 8, 'architecture.', seed=1),
    )


def test_there_are_methods():
    assert {'lakd', 'kd', 'fitnet', 'crd', 'reviewkd'} <= set(METHODS)


@pytest.mark.parametrize('method', METHODS)
def test_every_methods_student_and_teacher(method, files):
    cfg = read_config(
        config(method), [f'model.teacher_ckpt={files["teacher"]}']
    )
    teacher = load_teacher(cfg, config(method))
    assert teacher.model.backbone.depth == 20 and not teacher.model.training
    weights = []
    for name in ('alone', 'distilled'):
        choice = Choice(config(method), files[name], name)
        student = load_student(cfg, choice, 'checkpoint')
        assert student.model.backbone.depth == 8 and student.label == name
        weights.append(student.model.head.fc.weight)
    # Both files hold the same weights, under other names.
    assert torch.equal(*weights)
    mean = student.preprocessor.mean.flatten().tolist()
    assert mean == pytest.approx([77.758] * 3)


def test_plain_config_with_a_teacher_given(files):
    cfg = read_config(ALONE)
    choice = Choice(ALONE, files['alone'], 'alone')
    assert load_student(cfg, choice, 'x').model.backbone.depth == 8
    with pytest.raises(SettingError, match='has no teacher; add --teacher'):
        load_teacher(cfg, ALONE)
    own = str(ROOT / 'configs/teachers/resnet20_1xb64_digits.py')
    teacher = load_teacher(cfg, ALONE, Choice(own, files['teacher'], 't'))
    assert teacher.model.backbone.depth == 20 and teacher.label == 'teacher'


def test_teachers_checkpoint(files):
    kd = config('kd')
    cfg = read_config(kd, ['model.teacher_ckpt=gone.pth'])
    with pytest.raises(SettingError, match="teacher_ckpt='gone.pth' does"):
        load_teacher(cfg, kd)
    load_teacher(cfg, kd, Choice(None, files['teacher'], 'x'))
    wrong = Choice(None, files['alone'], 'x')
    with pytest.raises(SettingError, match='--teacher=.* of another arch'):
        load_teacher(cfg, kd, wrong)
    cfg = read_config(kd, ['model.teacher_ckpt=None'])
    with pytest.raises(SettingError, match='no checkpoint of its teacher'):
        load_teacher(cfg, kd)


@pytest.mark.parametrize(
    'text, expected',
    [
        ('a/b.pth', (None, 'a/b.pth', 'a')),
        ('b.pth', (None, 'b.pth', 'b')),
        ('c/a.py,b.pth', ('c/a.py', 'b.pth', 'a')),
        ('c/a.py,b.pth,label=x, y', ('c/a.py', 'b.pth', 'x, y')),
        ('b,c.pth,label=x', (None, 'b,c.pth', 'x')),
    ],
)
def test_choices(text, expected):
    assert parse_choice(text, '--compare') == expected


@pytest.mark.parametrize('text', ['', 'a.py', 'label=x', 'a.py,,label=x'])
def test_no_choice(text):
    with pytest.raises(SettingError, match='--compare takes CHECKPOINT or'):
        parse_choice(text, '--compare')


def test_labels_are_unique(files):
    cfg = read_config(ALONE)
    pair = [
        load_student(cfg, Choice(ALONE, files['alone'], 'same'), 'x')
        for _ in range(2)
    ]
    with pytest.raises(SettingError, match="Two networks are called 'same'"):
        check_labels(pair)


def test_images():
    cfg = read_config(config('lakd'))
    assert len(make_test_loader(cfg).dataset) == 445
    test = make_test_loader(cfg, 100)
    assert len(test.dataset) == 100
    probe = make_probe_loader(cfg, 500)
    # In order and without the training's random crop: twice the same.
    first, second = (
        torch.cat([batch['inputs'] for batch in probe]) for _ in range(2)
    )
    assert torch.equal(first, second) and len(first) == 500
    images = probe.dataset.dataset.images
    assert len(images) == 1352
    assert torch.equal(first, images[evenly_spaced(500, 1352)])
    assert cfg.train_dataloader.dataset.pipeline  # and left as it is
    cfg.train_dataloader = None
    with pytest.raises(SettingError, match='--probe-images 0'):
        make_probe_loader(cfg)
