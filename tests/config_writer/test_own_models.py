"""Configs that the command writes over a user's own."""

import os
import subprocess
import sys
from pathlib import Path

import mmpretrain
import pytest
import torch
from conftest import ROOT
from fork_server import call_tool
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.runner import Runner
from own_project import (
    GAP,
    HEAD,
    NETWORKS,
    make_project,
    network_config,
    save_teacher,
)
from processes import run, write
from test_wheel import build_wheel, copy_tree, needs_wheel
from torch import nn

from mmrazor_lakd import SettingError
from mmrazor_lakd.cli import load_config
from mmrazor_lakd.config_writer import own_config_text, write_text
from mmrazor_lakd.config_writer.own_pair.dense import make_cwd
from mmrazor_lakd.config_writer.own_pair.lakd import make_lakd
from mmrazor_lakd.config_writer.own_pair.networks import OwnNetwork
from mmrazor_lakd.config_writer.own_pair.written_networks import is_pretrained

CONFIGS = ROOT / 'configs'
TEACHER = 'resnet18'
LARGER = 'resnet34'


@pytest.fixture(scope='module')
def project(tmp_path_factory):
    """A user's project with two trained teachers, whose package imports."""
    folder = make_project(tmp_path_factory.mktemp('own') / 'project')
    for name in (TEACHER, LARGER, 'vit'):
        save_teacher(folder / f'configs/{name}.py', folder / f'{name}.pth')
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


def write_over(project, student, method='lakd', teacher=TEACHER, **kwargs):
    """Write a config; return its path."""
    names = {}
    for role, name in (('student', student), ('teacher', teacher)):
        path = project / f'configs/{name}.py'
        names[role] = str(path) if path.is_file() else name
    checkpoint = kwargs.pop('checkpoint', project / f'{teacher}.pth')
    out = project / 'distillation' / f'{method}_{Path(student).stem}.py'
    text = own_config_text(
        CONFIGS,
        method,
        **names,
        checkpoint=str(checkpoint),
        folder=out.parent,
        **kwargs,
    )
    write_text(text, out, overwrite=True)
    return out


def train(path, work_dir):
    """Train two iterations; return the algorithm and the last log."""
    cfg = load_config(str(path), work_dir=str(work_dir))
    cfg.experiment_name = f'{path.stem}_{work_dir.name}'
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.default_hooks = dict(checkpoint=None)
    runner = Runner.from_cfg(cfg)
    runner.train()
    logs = {
        name: log.current()
        for name, log in runner.message_hub.log_scalars.items()
        if name.startswith('train/') and 'loss' in name
    }
    return runner.model, logs


CASES = [
    ('repvgg', 'lakd', {}),
    ('mobilenet', 'kd', {}),
    ('resnet18', 'lakd', dict(teacher=LARGER, strong_teacher=True)),
    ('mobilenet_v3', 'kd', dict(teacher='vit')),
]
MORE = [
    ('convnext', 'lakd', {}),
    ('convnext', 'crd', {}),
    ('convnext', 'at', {}),
    ('efficientnet', 'lakd', dict(num_modules=3)),
    ('efficientnet', 'dist', {}),
    ('mobilenet', 'lakd', {}),
    ('mobilenet', 'dkd', {}),
    ('mobilenet', 'kd_standardized', {}),
    ('mobilenet', 'dkd_standardized', {}),
    ('mobilenet', 'wttm', {}),
    ('mobilenet', 'rld', {}),
    ('mobilenet_v3', 'wkd_l', dict(teacher='vit')),
    ('resnet18', 'wkd_f', {}),
    ('mobilenet', 'kd_scales', {}),
    ('repvgg', 'dkd_scales', {}),
    ('mobilenet_v3', 'rkd', {}),
    ('mobilenet_v3', 'pkt', {}),
    ('repvgg', 'sp', {}),
    ('repvgg', 'srrl', {}),
    ('mobilenet_v3', 'cc', {}),
    ('convnext', 'vid', {}),
    ('mobilenet', 'nst', {}),
    ('repvgg', 'catkd', {}),
    ('repvgg', 'fitnet', {}),
    ('resnet18', 'ofd', dict(teacher=LARGER)),
    ('resnet18', 'reviewkd', dict(teacher=LARGER)),
    ('vit', 'lakd', {}),
    ('vit', 'lakd', dict(teacher='vit', num_modules=3)),
    ('swin', 'lakd', {}),
    ('mobilenet', 'lakd', dict(teacher='vit')),
]


@pytest.mark.parametrize(
    ('student', 'method', 'options'),
    CASES + [pytest.param(*case, marks=pytest.mark.slow) for case in MORE],
)
def test_a_written_config_trains(project, tmp_path, student, method, options):
    path = write_over(project, student, method, **options)
    model, logs = train(path, tmp_path)
    taught = [name for name in logs if name.startswith('train/distill.')]
    assert taught and all(
        map(torch.isfinite, map(torch.tensor, logs.values()))
    )
    cfg = Config.fromfile(path)
    assert cfg.custom_imports.imports == ['shop.data', 'mmrazor_lakd']
    assert cfg.train_dataloader.dataset.type == 'Shelves'
    own = Config.fromfile(project / f'configs/{student}.py').model.backbone
    kind = type(model.student.backbone).__name__
    assert kind.replace('Tapped', '') == own.type
    if method == 'lakd':
        cut = model.distiller.local_modules[0]
        assert cut['isolate'] and 'train/distill.module1.loss' in logs


def test_recorders_have_the_names_of_these_networks(project):
    path = write_over(project, 'mobilenet_v3', 'kd', 'vit')
    model = Config.fromfile(path).model
    names = [
        model.distiller[f'{role}_recorders'].logits.source
        for role in ('student', 'teacher')
    ]
    assert names == ['head.layers.1.fc', 'head.layers.head']
    # a cross-entropy whose weight the user's config doesn't say
    assert model.architecture.head.loss.loss_weight == 0.1


def student_with(project, name, more, data=''):
    """Write a student like resnet18 with more settings of its model."""
    text = network_config(*NETWORKS['resnet18'], more)
    write(project / f'configs/{name}.py', text + data)
    return name


def test_mixed_labels_are_taught_by_kd(project):
    mixup = "\n    train_cfg=dict(augments=dict(type='Mixup', alpha=0.8)),"
    name = student_with(project, 'mixed', mixup)
    path = write_over(project, name)
    cfg = Config.fromfile(path)
    assert list(cfg.model.distiller.distill_losses) == ['loss_kd']
    assert cfg.model.architecture.train_cfg.augments.type == 'Mixup'
    words = path.read_text().replace('#', '').split()
    assert 'DKD needs one label an image' in ' '.join(words)
    for method in ('dkd', 'dkd_standardized', 'rld', 'wkd_l', 'kd_scales'):
        with pytest.raises(SettingError, match='soft labels .*--method kd'):
            write_over(project, name, method)


@pytest.mark.parametrize(
    'text',
    [
        'data_preprocessor = dict(to_onehot=True)\n',
        "custom_hooks = [dict(type='SwitchRecipeHook', schedule=[dict("
        "action_epoch=2, batch_augments=dict(augments='Mixup'))])]\n",
    ],
)
def test_labels_that_are_soft_without_mixed_images(project, text):
    name = student_with(project, 'soft', '', text)
    cfg = Config.fromfile(write_over(project, name))
    assert list(cfg.model.distiller.distill_losses) == ['loss_kd']
    with pytest.raises(SettingError, match='soft labels .*--method kd'):
        write_over(project, name, 'dkd')


def test_logits_that_are_others_in_training(project):
    """A margin is no answer that a student can learn."""
    margin = """model['head'] = dict(
    type='ArcFaceClsHead', num_classes=4, in_channels=128
)
"""
    name = student_with(project, 'margin', '', margin)
    path = write_over(project, name)
    assert 'distill_losses' not in Config.fromfile(path).model.distiller
    words = ' '.join(path.read_text().replace('#', '').split())
    assert "alone: 'head' gives different logits in training than in" in words
    with pytest.raises(SettingError, match='with a margin .*--method lakd'):
        write_over(project, name, 'kd')


LOSSES = """
import torch
from torch.nn import functional as F
from mmpretrain.models import BaseClassifier, ImageClassifier
from mmpretrain.registry import MODELS


@MODELS.register_module()
class ShopLoss(ImageClassifier):
    def loss(self, inputs, data_samples):
        labels = torch.cat([sample.gt_label for sample in data_samples])
        return dict(loss=F.cross_entropy(self(inputs), labels))


@MODELS.register_module()
class LossModule(BaseClassifier):
    # as TimmClassifier is
    def __init__(self, backbone, neck, head, loss=None, **kwargs):
        images = dict(kwargs.pop('data_preprocessor', None) or {})
        images.setdefault('type', 'mmpretrain.ClsDataPreprocessor')
        super().__init__(data_preprocessor=images, **kwargs)
        self.net = MODELS.build(
            dict(type='ImageClassifier', backbone=backbone, neck=neck)
        )
        self.fc = torch.nn.Linear(head['in_channels'], head['num_classes'])
        self.loss_module = MODELS.build(loss or dict(type='CrossEntropyLoss'))

    def extract_feat(self, inputs):
        return self.net.extract_feat(inputs)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        logits = self.fc(self.net.extract_feat(inputs)[-1])
        if mode == 'tensor':
            return logits
        labels = torch.cat([sample.gt_label for sample in data_samples])
        return dict(loss=self.loss_module(logits, labels))
"""


def test_where_the_labels_are(project):
    """In DKD; without them KD takes its place, which needs none."""
    write(project / 'shop/losses.py', LOSSES)
    imports = "custom_imports = dict(imports=['shop.data', 'shop.losses'])\n"
    for kind, labels in (('ShopLoss', None), ('LossModule', 'loss_module')):
        own = f"{imports}model['type'] = '{kind}'\n"
        name = student_with(project, kind.lower(), '', own)
        path = write_over(project, name, 'kd')
        weighted = Config.fromfile(path).model.architecture.get('loss')
        assert (weighted is None) == (labels is None)
        if labels is None:
            assert 'The labels weigh 1' in path.read_text()
        else:
            assert weighted.loss_weight == 0.1
        path = write_over(project, name)
        distiller = Config.fromfile(path).model.distiller
        words = ' '.join(path.read_text().replace('#', '').split())
        if labels is None:
            assert list(distiller.distill_losses) == ['loss_kd']
            assert "the student's loss gives to no loss_module" in words
            with pytest.raises(SettingError, match='gives none to a loss_mod'):
                write_over(project, name, 'dkd')
        else:
            assert list(distiller.distill_losses) == ['loss_dkd']
            assert distiller.student_recorders.labels.source == labels


def test_parts_of_an_image_need_a_linear_classifier(project):
    with pytest.raises(SettingError, match='but the student .*doesn.t'):
        write_over(project, 'mobilenet_v3', 'kd_scales')


def test_other_classes_leave_maps_alone(project):
    fewer = "model['head'].update(num_classes=3)\n"
    name = student_with(project, 'fewer', '', fewer)
    for method in ('kd', 'catkd'):
        with pytest.raises(SettingError, match='4 classes and the student 3'):
            write_over(project, name, method)
    distiller = Config.fromfile(write_over(project, name)).model.distiller
    assert 'distill_losses' not in distiller and distiller.local_modules


def test_images_are_those_that_the_teacher_knows(project):
    images = 'data_preprocessor = dict(mean=[0.0] * 3)\n'
    name = student_with(project, 'other_mean', '', images)
    path = write_over(project, name, 'kd')
    preprocessor = Config.fromfile(path).model.data_preprocessor
    assert preprocessor == dict(
        num_classes=4, mean=[120.0] * 3, std=[60.0] * 3, to_rgb=True
    )
    assert 'the images that the teacher was trained on' in path.read_text()
    # of a student that says nothing, all are written
    name = student_with(project, 'bare', '', 'data_preprocessor = None\n')
    preprocessor.pop('num_classes')
    path = write_over(project, name, 'kd')
    assert Config.fromfile(path).model.data_preprocessor == preprocessor
    trained = f"{images}load_from = 'trained.pth'\n"
    name = student_with(project, 'trained', '', trained)
    with pytest.raises(SettingError, match='differ from .* teacher in mean'):
        write_over(project, name, 'kd')


@pytest.mark.parametrize(
    ('cfg', 'expected'),
    [
        (dict(pretrained='trained.pth'), True),
        (dict(pretrained=None), False),
        (dict(backbone=dict(pretrained='torchvision://resnet50')), True),
        (dict(backbone=dict(init_cfg=dict(type='Pretrained'))), True),
        (dict(backbone=dict(init_cfg=dict(type='Kaiming'))), False),
    ],
)
def test_every_setting_that_loads_trained_weights(cfg, expected):
    assert is_pretrained(Config(dict(model=cfg))) == expected


def teacher_with(project, name, text, base=''):
    """Write the teacher's config anew, with another data preprocessor."""
    own = f'_base_ = {base!r}\n' if base else ''
    backbone, neck, head = NETWORKS[TEACHER]
    model = (
        f"type='ImageClassifier', backbone=dict({backbone}), {neck}, {head}"
    )
    scope = "default_scope = 'mmpretrain'\n"
    write(
        project / f'configs/{name}.py',
        f'{own}{scope}model = dict({model})\n{text}',
    )
    return name


def test_channels_are_in_the_order_that_the_teacher_knows(project):
    """Flags alone don't say it: files are B, G, R, the shelves R, G, B."""
    checkpoint = project / f'{TEACHER}.pth'
    images = 'mean=[120.0] * 3, std=[60.0] * 3'
    files = """train_dataloader = dict(
    dataset=dict(
        type='CustomDataset', pipeline=[dict(type='LoadImageFromFile')]
    )
)
"""
    for own, other, data, changed in (
        # both flags are alike, and the orders are not
        (True, True, files, dict(to_rgb=False)),
        (False, False, files, dict(to_rgb=True)),
        (False, True, files, None),
        # a teacher without data is taken to have the student's
        (False, True, '', dict(to_rgb=True)),
        (True, True, '', None),
    ):
        text = f'data_preprocessor = dict({images}, to_rgb={other})\n{data}'
        teacher = teacher_with(project, 'of_files', text)
        name = student_with(
            project, 'packed', '', f'data_preprocessor = dict(to_rgb={own})\n'
        )
        path = write_over(
            project, name, 'kd', teacher=teacher, checkpoint=checkpoint
        )
        found = Config.fromfile(path).model.get('data_preprocessor')
        assert (found and found.to_rgb) == (changed and changed['to_rgb'])
    trained = "data_preprocessor = dict(to_rgb=True)\nload_from = 'a.pth'\n"
    name = student_with(project, 'packed', '', trained)
    text = f'data_preprocessor = dict({images}, to_rgb=True)\n{files}'
    teacher_with(project, 'of_files', text)
    with pytest.raises(
        SettingError, match=r'order of channels \(BGR, not RGB'
    ):
        write_over(
            project, name, 'kd', teacher='of_files', checkpoint=checkpoint
        )


def test_classes_in_another_order(project):
    """Logits are compared one by one; maps don't depend on it."""
    classes = '["a", "b", "c", "d"]'
    data = 'train_dataloader = dict(dataset=dict(metainfo=dict(classes={})))\n'
    name = student_with(project, 'ordered', '', data.format(classes))
    checkpoint = project / f'{TEACHER}.pth'
    for other, message in (
        (classes, None),
        ('["a", "c", "b", "d"]', "class 1 is 'b' of .* and 'c' of"),
        ('["w", "x", "y", "z"]', None),  # other names, maybe of the same
    ):
        teacher = teacher_with(project, 'other_order', data.format(other))
        for method in ('kd', 'at'):
            given = dict(teacher=teacher, checkpoint=checkpoint)
            if message and method == 'kd':
                with pytest.raises(SettingError, match=message):
                    write_over(project, name, method, **given)
            else:
                write_over(project, name, method, **given)


def test_loaders_of_images_that_are_not_known(project):
    """Their arrays may be of either order: taken to be as the other's."""
    images = 'mean=[120.0] * 3, std=[60.0] * 3, to_rgb=True'
    data = """train_dataloader = dict(
    dataset=dict(type='CustomDataset', pipeline=[dict(type='{}')])
)
"""
    teacher_with(
        project,
        'of_files',
        f'data_preprocessor = dict({images})\n'
        + data.format('LoadImageFromFile'),
    )
    own = data.format('LoadImageFromLMDB').replace(
        'dict(', 'dict(_delete_=True,', 1
    )
    name = student_with(
        project, 'lmdb', '', f'data_preprocessor = dict(to_rgb=True)\n{own}'
    )
    path = write_over(
        project, name, 'kd', teacher='of_files', input_size=(32, 32),
        checkpoint=project / f'{TEACHER}.pth',
    )  # fmt: skip
    assert 'data_preprocessor' not in Config.fromfile(path).model
    words = ' '.join(path.read_text().replace('#', '').split())
    assert 'the order of the channels is not known of of_files.py or' in words


def test_images_that_the_pipeline_normalises(project):
    """The data preprocessor can't stand for that."""
    steps = """train_dataloader = dict(dataset=dict(pipeline=[
    dict(type='LoadImageFromFile'),
    dict(type='Normalize', mean=[120.0] * 3, std=[60.0] * 3),
]))
"""
    teacher_with(project, 'normalised', steps)
    with pytest.raises(SettingError, match='normalise images differently'):
        write_over(
            project, 'mobilenet', 'kd', teacher='normalised',
            checkpoint=project / f'{TEACHER}.pth',
        )  # fmt: skip


def test_tuples_and_lists_are_no_other_images(project):
    images = 'mean=(120.0,) * 3, std=(60.0,) * 3, to_rgb=True'
    name = student_with(
        project, 'tuples', '', f'data_preprocessor = dict({images})\n'
    )
    cfg = Config.fromfile(write_over(project, name, 'kd'))
    assert 'mean' not in (cfg.model.get('data_preprocessor') or {})


def test_a_teacher_that_says_no_scope_has_the_students(project):
    backbone, neck, head = NETWORKS[TEACHER]
    write(
        project / 'configs/scopeless.py',
        f"model = dict(type='ImageClassifier', backbone=dict({backbone}), "
        f'{neck}, {head})\n',
    )
    path = write_over(
        project, 'mobilenet', 'kd', teacher='scopeless',
        checkpoint=project / f'{TEACHER}.pth',
    )  # fmt: skip
    cfg = load_config(str(path))
    assert cfg.model.teacher._scope_ == 'mmpretrain'
    Runner.from_cfg(cfg)


def test_a_student_of_mmengines_new_style(project):
    write(project / 'configs/lazy_part.py', 'log_level = "INFO"\n')
    backbone, neck, head = NETWORKS[TEACHER]
    write(
        project / 'configs/lazy.py',
        'from mmengine.config import read_base\n'
        'with read_base():\n    from .lazy_part import *\n'
        "default_scope = 'mmpretrain'\nmodel = dict(type='ImageClassifier', "
        f'backbone=dict({backbone}), {neck}, {head})\n',
    )
    with pytest.raises(SettingError, match=r'new style, by read_base\(\)'):
        write_over(project, 'lazy', 'kd')


def test_a_folder_that_is_a_link(project):
    """MMEngine removes `..` without looking where links lead."""
    real = project / 'elsewhere' / 'deep'
    real.mkdir(parents=True)
    link = project / 'linked'
    link.symlink_to(real)
    names = {
        n: str(project / f'configs/{n}.py') for n in ('mobilenet', TEACHER)
    }
    text = own_config_text(
        CONFIGS, 'kd', names['mobilenet'], names[TEACHER],
        str(project / f'{TEACHER}.pth'), link,
    )  # fmt: skip
    (link / 'kd.py').write_text(text)
    assert Config.fromfile(link / 'kd.py').model.teacher.cfg_path


def test_a_teachers_model_alone_gets_the_students_images(project):
    teacher_with(project, 'alone', '')
    path = write_over(
        project,
        'mobilenet',
        'kd',
        teacher='alone',
        checkpoint=project / f'{TEACHER}.pth',
    )
    assert 'data_preprocessor' not in Config.fromfile(path).model
    words = ' '.join(path.read_text().replace('#', '').split())
    assert 'alone.py does not say how its images were normalised' in words


def test_a_classifier_gets_four_modules_or_what_it_can(project):
    def modules(student, **options):
        path = write_over(project, student, teacher=LARGER, **options)
        entries = Config.fromfile(path).model.distiller.local_modules
        cuts = sum(entry.get('isolate', True) for entry in entries)
        assert f'{cuts + 1} modules, the largest' in path.read_text()
        return cuts + 1

    assert modules('resnet18') == 4
    assert modules('resnet18', num_modules=2) == 2
    assert modules('resnet18', num_modules=3, strong_teacher=True) == 3
    two_blocks = (
        "type='ResNet_CIFAR', depth=18, num_stages=1, strides=(1,), "
        'dilations=(1,), out_indices=(0,), stem_channels=16, base_channels=16'
    )
    (project / 'configs/short.py').write_text(
        network_config(two_blocks, GAP, HEAD.format(16))
    )
    assert modules('short') == 2


def test_cuts_of_ones_own(project):
    cuts = [
        'backbone.layer1=backbone.layer2',
        'backbone.layer3=backbone.layer4',
    ]
    path = write_over(project, 'resnet18', teacher=LARGER, cuts=cuts)
    entries = Config.fromfile(path).model.distiller.local_modules
    assert [f'{e.student}={e.teacher}' for e in entries] == cuts
    for wrong, message in (
        (['backbone.layer1'], "STUDENT=TEACHER, .* not 'backbone.layer1'"),
        (['backbone.layr1=backbone.layer2'], '--cuts: .* nearest names'),
        (['backbone.layer1.0.conv1=backbone.layer1'], 'passes around it'),
    ):
        with pytest.raises(SettingError, match=message):
            write_over(project, 'resnet18', teacher=LARGER, cuts=wrong)


@pytest.mark.parametrize(
    ('student', 'method', 'options', 'message'),
    [
        ('resnet18', 'cwd', {}, 'a classifier; choose one of lakd, '),
        (
            'mobilenet',
            'ofd',
            {},
            "ReLU .*the student '.*' is none .*: lakd|of lakd",
        ),
        ('mobilenet_v3', 'srrl', {}, r'\(head.fc\), but the student .* lakd'),
        ('repvgg', 'srrl', dict(teacher='vit'), 'but the teacher .* lakd'),
        (
            'resnet18',
            'kd',
            dict(checkpoint='resnet34.pth'),
            'checkpoint of another architecture than the teacher',
        ),
        ('nowhere.py', 'kd', {}, "no config 'nowhere.py'; the nearest"),
        ('mobilenet', 'wkd_f', {}, 'no map of 1x1 to the teacher'),
        ('shelf::resnet.py', 'kd', {}, "package 'shelf' is not installed"),
        ('_base_/shelves', 'kd', {}, 'has no model; .* the student alone'),
    ],
)
def test_refusals(project, monkeypatch, student, method, options, message):
    monkeypatch.chdir(project)
    before = sorted(project.rglob('*.py'))
    with pytest.raises(SettingError, match=message):
        write_over(project, student, method, **options)
    assert sorted(project.rglob('*.py')) == before


def test_a_strong_teacher_without_effect_is_refused(project):
    mixup = "\n    train_cfg=dict(augments=dict(type='Mixup', alpha=0.8)),"
    fewer = "model['head'].update(num_classes=3)\n"
    several = """model['head'] = dict(
    type='MultiLabelLinearClsHead', num_classes=4, in_channels=128
)
"""
    for more, data, teacher, why in (
        (
            mixup,
            '',
            'vit',
            'DKD needs one label an image, which Mixup.* stages',
        ),
        ('', fewer, TEACHER, '3 classes, the teacher 4'),
        ('', several, TEACHER, 'an image may have several'),
    ):
        name = student_with(project, 'weak', more, data)
        with pytest.raises(SettingError, match=f'strong-teacher .*{why}'):
            write_over(project, name, teacher=teacher, strong_teacher=True)
        assert write_over(project, name, teacher=teacher)
    # where OFD's maps are taken, labels may be mixed
    name = student_with(project, 'weak', mixup)
    path = write_over(project, name, teacher=LARGER, strong_teacher=True)
    assert 'TappedResNet_CIFAR' in path.read_text()


class Segmentor(BaseModel):
    """Convolutions alone, the last of which gives the logits."""

    def __init__(self, stride):
        super().__init__()
        self.backbone = nn.Conv2d(3, 4, 3, stride, 1)
        self.decode_head = nn.Sequential(nn.Conv2d(4, 5, 1))

    def forward(self, inputs, data_samples=None, mode='tensor'):
        return self.decode_head(self.backbone(inputs))


def test_cwd_needs_logits_of_one_size():
    student, other, teacher = (
        OwnNetwork(
            role, f'{role}.py', Config(), None, Segmentor(stride), (32, 64)
        )
        for role, stride in (('student', 4), ('teacher', 4), ('teacher', 8))
    )
    assert make_cwd(student, other)['type'] == 'ConfigurableDistiller'
    sizes = "student's are 8x16 and the teacher's 4x8, of images of 32x64"
    with pytest.raises(SettingError, match=f'{sizes}; write --method lakd'):
        make_cwd(student, teacher)
    with pytest.raises(SettingError, match='strong-teacher .* a segmentor is'):
        make_lakd(CONFIGS, student, teacher, None, (), True)


def test_the_command_wants_one_kind_of_pair(tmp_path):
    own = '--student a.py --teacher b.py --teacher-checkpoint b.pth '
    wrong = {
        '--pair vgg13_vgg8 --student a.py': 'write one of the two',
        '--student a.py': 'lacks --teacher, --teacher-checkpoint, --out',
        f'{own} --out c.py --num-modules 3': 'are for --method lakd, not kd',
        f'{own} --out ./a.py --overwrite': 'which the new config is made from',
    }
    tool = [ROOT / 'tools/make_config.py', '--method', 'kd']
    for args, message in wrong.items():
        done = call_tool(*tool, *args.split(), cwd=tmp_path)
        assert done.returncode == 2
        assert message in done.stderr.splitlines()[-1]


@needs_wheel
@pytest.mark.slow
def test_from_a_wheel_with_mmpretrains_own_tool(project, tmp_path):
    wheel = build_wheel(copy_tree(tmp_path / 'source'), tmp_path / 'wheel')
    target = tmp_path / 'installed'
    result = run(
        *(sys.executable, '-m', 'pip', 'install', '--no-deps', '--no-index'),
        *('--no-compile', '--target', target, wheel.filename),
    )
    assert result.returncode == 0, result.stdout
    env = dict(os.environ, PYTHONPATH=f'{target}:{project}')

    def tool(path, *args):
        done = subprocess.run(
            [sys.executable, path, *args],
            cwd=project,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, done.stdout[-3000:]
        return done.stdout

    for method in ('lakd', 'kd'):
        out = f'configs/of_wheel/{method}.py'
        tool(
            target / 'mmrazor_lakd/.mim/tools/make_config.py',
            *('--method', method, '--student', 'configs/mobilenet.py'),
            *('--teacher', f'configs/{TEACHER}.py', '--out', out),
            *('--teacher-checkpoint', f'{TEACHER}.pth'),
        )
        own = Path(mmpretrain.__file__).parent / '.mim/tools/train.py'
        options = (
            'train_dataloader.num_workers=1 val_dataloader.num_workers=1 '
            'test_dataloader.num_workers=1'
        )
        output = tool(
            *(own, out, '--work-dir', tmp_path / method),
            *('--cfg-options', *options.split()),
        )
        assert 'accuracy/top1' in output
