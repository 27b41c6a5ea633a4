"""Whose weights a model takes, and which it refuses."""

import importlib.util
import json
import sys

import pytest
import torch
from conftest import ROOT, build_model, classifier, lakd
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.model import ExponentialMovingAverage
from mmengine.runner import load_checkpoint
from mmpretrain.registry import MODELS

from mmrazor_lakd import SettingError
from mmrazor_lakd.algorithms import load_network
from mmrazor_lakd.checkpoints.loading import fit_weights

STUDENT = 'configs/teachers/resnet8_1xb64_digits.py'
KD = 'configs/kd/kd_resnet20_resnet8_1xb64_digits.py'


def built(config, seed=0):
    torch.manual_seed(seed)
    model = MODELS.build(config)
    model.init_weights()
    return model


@pytest.fixture
def student(tmp_path):
    """A plainly trained ResNet8, and its checkpoint."""
    model = built(classifier(8), seed=4)
    path = str(tmp_path / 'student.pth')
    torch.save(dict(state_dict=model.state_dict()), path)
    return model, path


@pytest.fixture
def log(tmp_path):
    """What is logged, once it was."""
    file = tmp_path / 'log'
    MMLogger.get_instance(str(tmp_path), log_file=str(file))
    return file.read_text


def same(model, other):
    expected = other.state_dict()
    return all(
        torch.equal(value, expected[name])
        for name, value in model.state_dict().items()
    )


def test_a_distillation_begins_with_a_plain_student(student, log):
    """As load_from does it, in MMEngine's own tools too."""
    plain, path = student
    model = build_model(lakd())
    average = ExponentialMovingAverage(model).module
    for loading in (model, average):
        assert not same(loading.student, plain)
        load_checkpoint(loading, path)
        assert same(loading.student, plain)
    weights = len(model.state_dict())
    norms = sum('num_batches' in key for key in model.state_dict())
    ours = len([k for k in plain.state_dict() if 'num_batches' not in k])
    expected = f'has {ours} of the {weights - norms} weights'
    assert expected in log()


def test_a_plain_training_begins_with_a_distilled_student(student):
    plain, _ = student
    model = build_model(lakd(), seed=2)
    weights = model.state_dict()
    fit_weights(plain, weights, 'a.pth')
    plain.load_state_dict(weights)
    assert same(plain, model.student)


def test_other_classes(tmp_path, log):
    """All but the head is loaded, and the log says how much."""
    path = str(tmp_path / 'student.pth')
    other = built(classifier(8, num_classes=7), seed=4)
    torch.save(dict(state_dict=other.state_dict()), path)
    model = build_model(lakd())
    head = model.student.head.fc.weight.clone()
    load_checkpoint(model, path)
    assert same(model.student.backbone, other.backbone)
    assert torch.equal(model.student.head.fc.weight, head)
    assert 'as they were stay architecture.head.fc.weight and' in log()


def test_weights_of_which_none_fits(tmp_path):
    path = str(tmp_path / 'other.pth')
    torch.save(dict(stem=torch.ones(3)), path)
    with pytest.raises(SettingError, match='no weight of this FrozenTeacher'):
        load_checkpoint(build_model(lakd()), path)


def test_a_teacher_with_nan(tmp_path):
    path = str(tmp_path / 'teacher.pth')
    weights = built(classifier(14)).state_dict()
    weights['backbone.layer1.0.conv1.weight'][0, 0, 0, 0] = float('nan')
    torch.save(dict(state_dict=weights), path)
    with pytest.raises(SettingError, match=r'teacher_ckpt=.*1\.0\.conv1\.we'):
        build_model(lakd(), teacher_ckpt=path)


@pytest.mark.parametrize(
    'change, words',
    [
        (lambda weight: weight.long(), 'as a int64 tensor'),
        (lambda weight: weight.to(torch.complex64), 'as a complex64 tensor'),
        (lambda weight: weight.to_sparse(), 'as a sparse float32 tensor'),
        (lambda weight: weight.to('meta'), r'as an empty \(meta\) tensor'),
        (
            lambda weight: torch.quantize_per_tensor(
                weight, 0.1, 0, torch.qint8
            ),
            'as a qint8 tensor',
        ),
    ],
)
def test_a_teacher_of_another_type(tmp_path, change, words):
    """PyTorch would round it, drop its imaginary part, or end in itself."""
    path = str(tmp_path / 'teacher.pth')
    weights = built(classifier(14)).state_dict()
    key = 'backbone.layer1.0.conv1.weight'
    weights[key] = change(weights[key])
    torch.save(dict(state_dict=weights), path)
    with pytest.raises(SettingError, match=f'{key} {words}, where a float32'):
        build_model(lakd(), teacher_ckpt=path)


def test_names_of_an_earlier_version():
    """mmpretrain's Swin drops its masks, and renames its last norm."""
    arch = dict(embed_dims=8, depths=[2, 2], num_heads=[2, 2])
    network = built(
        dict(
            type='ImageClassifier',
            backbone=dict(
                type='SwinTransformer',
                arch=arch,
                out_indices=(1,),
                img_size=32,
                window_size=2,
                patch_size=4,
            ),
        )
    )
    fresh = network.state_dict()
    own = {key: value.clone() for key, value in fresh.items()}
    old = {
        key.replace('backbone.norm1.', 'backbone.norm.'): value + 1
        for key, value in own.items()
    }
    assert 'backbone.norm.weight' in old
    old['backbone.stages.0.blocks.1.attn.attn_mask'] = torch.zeros(4, 4)
    for part, words in (
        ('backbone.norm.bias', '1 missing .first: backbone.norm1.bias.; give'),
        ('backbone.extra', '1 unexpected .first: backbone.extra.; give'),
    ):
        wrong = dict(old)
        if wrong.pop(part, None) is None:
            wrong[part] = torch.zeros(1)
        with pytest.raises(SettingError, match=words):
            load_network(network, wrong, 'old.pth', 'checkpoint', 'teacher')
        # nothing was loaded
        assert all(map(torch.equal, own.values(), fresh.values()))
    load_network(network, old, 'old.pth', 'checkpoint', 'teacher')
    for key, value in network.state_dict().items():
        assert torch.equal(value, own[key] + 1), key


def test_a_variance_below_zero(tmp_path):
    path = str(tmp_path / 'teacher.pth')
    weights = built(classifier(14)).state_dict()
    weights['backbone.bn1.running_var'][3] = -0.5
    torch.save(dict(state_dict=weights), path)
    message = 'bn1.running_var with a variance below 0'
    with pytest.raises(SettingError, match=message):
        build_model(lakd(), teacher_ckpt=path)


def test_a_headless_teacher(tmp_path, log):
    whole = built(classifier(14))
    weights = whole.state_dict()
    headless = dict(classifier(14), head=None)
    model = built(headless, seed=1)

    def load(network, extra=()):
        held = {**weights, **dict(extra)}
        load_network(network, held, 'a.pth', 'model.teacher_ckpt', 'teacher')

    load(model)
    assert same(model.backbone, whole.backbone)
    assert 'has no head: 2 weights of its checkpoint' in log()
    # any other key is one too many
    extra = torch.ones(1)
    with pytest.raises(SettingError, match='1 unexpected .*backbone.gate'):
        load(built(headless), {'backbone.gate': extra})
    with pytest.raises(SettingError, match='1 unexpected .*neck.gate'):
        load(built(classifier(14)), {'neck.gate': extra})


def run(monkeypatch, name, *args):
    """Run a tool's own main, whose errors end in one sentence."""
    spec = importlib.util.spec_from_file_location('tool', ROOT / name)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, 'argv', [name, *map(str, args)])
    tool.main(tool.parse_args())


def test_each_config_tests_each_students_checkpoint(tmp_path, monkeypatch):
    """Plain and distilled give the same accuracy, of the same weights."""
    model = built(Config.fromfile(ROOT / STUDENT).model, seed=7)
    weights = model.state_dict()
    distilled = {f'architecture.{k}': v for k, v in weights.items()}
    distilled['distiller.connectors.x.weight'] = torch.ones(1)
    saved = dict(
        plain=weights, distilled=distilled, published=dict(model=weights)
    )
    found = set()
    for config, kind in (
        (STUDENT, 'plain'),
        (STUDENT, 'distilled'),
        (STUDENT, 'published'),
        (KD, 'plain'),
    ):
        path, out = tmp_path / f'{kind}.pth', tmp_path / 'out.json'
        torch.save(saved[kind], path)
        run(
            monkeypatch, 'tools/test.py', config, path, '--work-dir', tmp_path,
            '--out', out, '--out-item', 'metrics', '--cfg-options',
            'model.teacher_ckpt=None' if config == KD else 'log_level=INFO',
            'test_dataloader.dataset.indices=200',
        )  # fmt: skip
        found.add(json.loads(out.read_text())['accuracy/top1'])
    assert len(found) == 1
    path = tmp_path / 'other.pth'
    other = built(classifier(14)).state_dict()
    torch.save({f'architecture.{k}': v for k, v in other.items()}, path)
    with pytest.raises(SettingError, match='another architecture'):
        run(
            monkeypatch, 'tools/test.py', STUDENT, path, '--work-dir', tmp_path
        )
