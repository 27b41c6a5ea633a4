"""The student alone: its weights, its config, and who takes them."""

import hashlib
import json
import runpy
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import mmpretrain
import mmrazor
import pytest
import torch
from conftest import ROOT, build_model, classifier, lakd
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import MODELS
from mmengine.runner.activation_checkpointing import (
    turn_on_activation_checkpointing,
)
from own_distillation import (
    run_python,
    tool_of,
    train_project,
    write_project,
)
from processes import write

from mmrazor_lakd import SettingError
from mmrazor_lakd.backbones import TappedResNet
from mmrazor_lakd.checkpoints.export import (
    Student,
    read_student,
    write_student,
)
from mmrazor_lakd.checkpoints.graphs import (
    check_logits,
    example_images,
    export_onnx,
    takes_any_number,
)
from mmrazor_lakd.checkpoints.student_config import (
    channel_order,
    student_config,
)

TOOL = ROOT / 'tools/model_converters/export_student.py'
DIGITS = 'lakd_resnet20_resnet8_1xb64_digits.py'
LOGITS = """
import sys
import torch
from mmpretrain import get_model

config, weights, images, out = sys.argv[1:]
model = get_model(config, weights)
with torch.no_grad():
    torch.save(model(torch.load(images), mode='tensor'), out)
assert not [name for name in sys.modules if name.startswith('mmrazor')]
"""


@pytest.fixture(scope='module')
def project(tmp_path_factory):
    """A config of a user's own, and a checkpoint of its training."""
    config = write_project(tmp_path_factory.mktemp('project'))
    return config, train_project(config)


def export(project, out, **kwargs):
    """Write the student of a project; return it and the two files."""
    config, checkpoint = project
    cfg = Config.fromfile(config)
    student = read_student(cfg, str(checkpoint), **kwargs)
    return student, write_student(student, out), out.with_suffix('.py')


def logits_of(folder):
    """Random images, and the logits of the student written in a folder."""
    (weights,) = folder.glob('a-*.pth')
    model = mmpretrain.get_model(str(folder / 'a.py'), str(weights))
    images = torch.randn(5, 3, 32, 32)
    with torch.no_grad():
        return images, model(images, mode='tensor')


def main(monkeypatch, *arguments):
    """Run the tool's own main, whose errors end in one sentence."""
    monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, arguments)])
    tool = runpy.run_path(str(TOOL))
    tool['main'](tool['parse_args']())


def test_mmpretrain_takes_it_without_us(project, tmp_path):
    """Equal logits in a process that can't import MMRazor or us."""
    out = tmp_path / 'new' / 'student.pth'
    student, weights, config = export(project, out)
    assert student.needs == []
    digits = hashlib.sha256(weights.read_bytes()).hexdigest()[:8]
    assert weights.name == f'student-{digits}.pth'

    distilled = MODELS.build(Config.fromfile(project[0]).model).eval()
    saved = torch.load(project[1], weights_only=True)
    distilled.load_state_dict(saved['state_dict'])
    images = torch.randn(3, 3, 32, 32)
    torch.save(images, tmp_path / 'images.pth')
    script = write(tmp_path / 'logits.py', LOGITS)
    run_python(
        *(script, config, weights, 'images.pth', 'logits.pth'),
        folder=tmp_path,
    )
    with torch.no_grad():
        expected = distilled(images, mode='tensor')
    assert torch.equal(torch.load(tmp_path / 'logits.pth'), expected)


def test_what_is_in_the_files(project, tmp_path):
    student, weights, config = export(project, tmp_path / 'student.pth')
    contents = torch.load(weights, weights_only=True)
    classes = contents['meta'].pop('dataset_meta')['classes']
    assert list(classes) == list('0123456789')
    assert set(contents) == {'meta', 'state_dict'} and not contents['meta']
    assert list(contents['state_dict']) == list(student.model.state_dict())

    cfg = Config.fromfile(config)
    assert cfg.model.type == 'ImageClassifier'
    assert cfg.model.data_preprocessor == dict(
        num_classes=10, mean=[77.0] * 3, std=[95.0] * 3, to_rgb=True
    )
    assert cfg.model.train_cfg.augments.type == 'Mixup'
    assert [item.type for item in cfg.val_evaluator] == ['Accuracy']
    assert [hook.type for hook in cfg.custom_hooks] == ['EMAHook']
    assert cfg.default_hooks.checkpoint.type == 'CheckpointHook'
    assert cfg.optim_wrapper.type == 'OptimWrapper'
    assert list(cfg.optim_wrapper.paramwise_cfg.custom_keys) == ['head']
    assert not {'mine', 'work_dir', 'custom_imports'} & set(cfg)
    text = config.read_text()
    assert 'mmrazor' not in text and 'teacher' not in text

    # the file of the same weights is the same file
    _, again, _ = export(project, tmp_path / 'again' / 'student.pth')
    assert again.name == weights.name


def test_what_was_not_written_to_the_end_can_be_written_again(tmp_path):
    student = Student(torch.nn.Linear(2, 2), Config(dict(a=1)), {}, [])
    out = tmp_path / 'student.pth'
    config = out.with_suffix('.py')
    # where the config can't be written, such as on a full disk
    (tmp_path / 'student.py.unfinished').mkdir()
    with pytest.raises(SettingError, match='student.py.* could not be writt'):
        write_student(student, out)
    (weights,) = tmp_path.glob('student-*.pth')
    (tmp_path / 'student.py.unfinished').rmdir()
    assert not config.exists() and write_student(student, out) == weights
    assert sorted(tmp_path.iterdir()) == [weights, config]
    # but another file of this name stays
    config.unlink()
    weights.write_bytes(b'mine')
    with pytest.raises(SettingError, match='student-.*pth. exists; remove'):
        write_student(student, out)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b'mine']


def test_averaged_weights(project, tmp_path):
    """MMEngine's EMAHook saves the averaged weights as state_dict."""
    saved = torch.load(project[1], weights_only=True)
    key = 'head.fc.weight'
    averaged = saved['state_dict'][f'architecture.{key}']
    last = saved['ema_state_dict'][f'module.architecture.{key}']
    assert not torch.equal(averaged, last)
    for ema, expected in ((None, averaged), (True, averaged), (False, last)):
        student, *_ = export(project, tmp_path / f'{ema}' / 'a.pth', ema=ema)
        assert torch.equal(student.model.state_dict()[key], expected)


def test_which_of_the_averaged_and_the_last_is_logged(project, tmp_path):
    log = tmp_path / 'log'
    MMLogger.get_instance(str(tmp_path), log_file=str(log))
    for ema in (None, True, False):
        export(project, tmp_path / f'{ema}' / 'a.pth', ema=ema)
    lines = [n for n in log.read_text().splitlines() if 'are taken' in n]
    kinds = ['averaged', 'averaged', 'last']
    assert [n.split()[-4] for n in lines] == kinds


def test_pipelines_that_inference_reads(tmp_path):
    """As mmsegmentation's and MMDeploy's: cfg.test_pipeline."""
    steps = [dict(type='PackInputs')]
    network = dict(_scope_='mmpretrain', type='ImageClassifier')
    cfg = dict(
        model=dict(architecture=network, teacher=network),
        test_pipeline=steps,
        norm_cfg=dict(type='BN'),
    )
    found = student_config(Config(cfg))
    assert found.test_pipeline == steps and 'norm_cfg' not in found
    # a config of MMEngine's new style, whose types are full paths
    network = dict(type='mmpretrain.models.classifiers.ImageClassifier')
    cfg['model'] = dict(architecture=network, teacher=network)
    assert student_config(Config(cfg)).default_scope == 'mmpretrain'


def test_networks_of_several_forms(tmp_path):
    """Base files of the zoo and of one's own, and where settings stand."""
    zoo = 'mmpretrain::resnet/resnet18_8xb16_cifar10.py'
    head = dict(num_classes=4)
    pre = dict(mean=[1.0], std=[2.0])
    own = write(
        tmp_path / 'own.py',
        "default_scope = 'mmpretrain'\nmodel = dict(type='ImageClassifier',"
        "backbone=dict(type='LeNet5', num_classes=10), head=dict("
        "type='ClsHead'))\n",
    )
    for student, settings, scope in (
        (dict(cfg_path=zoo, head=head), dict(data_preprocessor=pre), None),
        (dict(cfg_path=str(own)), {}, 'mmrazor'),
        (dict(_scope_='mmpretrain', type='ImageClassifier'), {}, 'mmdet'),
    ):
        model = dict(_scope_='mmrazor', architecture=student, teacher=student)
        cfg = dict(model=model, default_scope=scope, **settings)
        found = student_config(Config(cfg))
        assert found.model.type == 'ImageClassifier'
        if scope == 'mmdet':
            assert found.default_scope == 'mmdet'
            assert found.model._scope_ == 'mmpretrain'
            continue
        assert found.default_scope == 'mmpretrain'
        assert '_scope_' not in found.model
        if settings:
            assert found.model.head.num_classes == 4
            assert found.model.data_preprocessor == pre


@pytest.mark.parametrize('reverses, order', [(False, 'BGR'), (True, 'RGB')])
def test_order_of_the_channels(reverses, order):
    """Files are read as B, G, R, and data sets in memory are R, G, B."""
    loads = dict(dataset=dict(pipeline=[dict(type='LoadImageFromFile')]))
    nested = dict(dataset=dict(type='RepeatDataset', times=2, **loads))
    held = dict(dataset=dict(type='InMemoryCIFAR10'))
    model = dict(data_preprocessor=dict(to_rgb=reverses))
    for data in (
        dict(test_dataloader=loads),
        dict(train_dataloader=nested),
        dict(test_dataloader=loads, val_dataloader=held),
    ):
        assert channel_order(Config(dict(model=model, **data))) == order
    cfg = Config(dict(model=model, test_dataloader=held))
    assert channel_order(cfg) != order


@pytest.mark.parametrize(
    'steps, order',
    [
        ([dict(type='mmcv.Normalize', to_rgb=True)], 'RGB'),
        ([dict(type='Normalize')], 'RGB'),  # mmcv's default
        ([dict(type='Normalize', to_rgb=False)], 'BGR'),
        ([dict(type='NumpyToPIL', to_rgb=True)], 'RGB'),
        ([dict(type='ToPIL', to_rgb=True), dict(type='ToNumpy')], 'RGB'),
        (
            [
                dict(type='NumpyToPIL', to_rgb=True),
                dict(type='torchvision/Normalize'),
                dict(type='PILToNumpy', to_bgr=True),
            ],
            'BGR',
        ),
        (
            [
                dict(
                    type='RandomApply',
                    transforms=[dict(type='NumpyToPIL', to_rgb=True)],
                )
            ],
            'RGB',
        ),
        ([dict(type='Lighting', to_rgb=True)], 'BGR'),
    ],
)
def test_channels_that_the_pipeline_reverses(steps, order):
    pipeline = [dict(type='LoadImageFromFile'), *steps]
    inner = dict(type='CustomDataset', pipeline=pipeline)
    outer = dict(type='RepeatDataset', times=2, dataset=inner)
    for reverses in (False, True):
        model = dict(data_preprocessor=dict(to_rgb=reverses))
        loader = dict(dataset=outer)
        cfg = Config(dict(model=model, test_dataloader=loader))
        assert (channel_order(cfg) == order) != reverses


@pytest.mark.parametrize(
    'names, expected',
    [
        ('architecture.backbone.layer1', ['backbone.layer1']),
        (
            ['student.neck', 'distiller.teachings', 'teacher.backbone'],
            ['neck'],
        ),
        (['distiller.connectors'], None),
    ],
)
def test_settings_name_the_modules_of_the_student(names, expected):
    student = classifier(8)
    model = dict(_scope_='mmrazor', architecture=student, teacher=student)
    settings = dict(
        activation_checkpointing=names, efficient_conv_bn_eval=names
    )
    found = student_config(Config(dict(model=model, **settings)))
    assert found.get('efficient_conv_bn_eval') == expected
    assert found.get('activation_checkpointing') == expected
    # MMEngine finds them
    network = MODELS.build(found.model)
    turn_on_activation_checkpointing(network, expected or [])


def test_our_own_classes_are_named(build, tmp_path):
    """A network or a data set of ours needs this package."""
    path = ROOT / 'configs/lakd' / DIGITS
    model = build_model(lakd(), teacher=classifier(20))
    torch.save(model.state_dict(), tmp_path / 'a.pth')
    project = path, tmp_path / 'a.pth'
    student, _, config = export(project, tmp_path / 'student.pth')
    assert {
        'model.backbone: CIFARResNet',
        'test_dataloader.dataset: Digits',
        'train_dataloader.dataset.pipeline[0]: BatchRandomCrop',
    } <= set(student.needs)
    assert not [need for need in student.needs if 'hook' in need]
    cfg = Config.fromfile(config)
    assert cfg.custom_imports.imports == ['mmrazor_lakd']
    assert '# needs mmrazor_lakd for model.backbone: CIFARResNet' in (
        config.read_text()
    )


def test_images_of_one_channel():
    """LeNet5 takes grey ones, of 32x32 pixels."""
    backbone = dict(type='LeNet5', num_classes=10)
    head = dict(type='ClsHead')
    model = MODELS.build(
        dict(
            _scope_='mmpretrain',
            type='ImageClassifier',
            backbone=backbone,
            head=head,
        )
    )
    assert example_images(Config(), model, (32, 32)).shape == (2, 1, 32, 32)
    with pytest.raises(SettingError, match='--shape is wrong.*of 8x8 pixels'):
        example_images(Config(), model, (8, 8))


def test_torch_export(project, tmp_path, monkeypatch):
    """For another number of images than the graph was made with."""
    path = tmp_path / 'new' / 'a.pt2'
    options = ('--out', tmp_path / 'a.pth', '--torch-export', path)
    main(monkeypatch, *project, *options)
    images, expected = logits_of(tmp_path)
    with torch.no_grad():
        found = torch.export.load(str(path)).module()(images)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_onnx_runtime(project, tmp_path, monkeypatch):
    """The same, before torch.export, or what is missing is named."""
    path, program = tmp_path / 'a.onnx', tmp_path / 'a.pt2'
    options = ('--out', tmp_path / 'a.pth', '--onnx', path)
    options += ('--torch-export', program)
    if find_spec('onnx') is None:
        with pytest.raises(SettingError, match='pip install onnx'):
            main(monkeypatch, *project, *options)
        assert not list(tmp_path.iterdir())
        return
    main(monkeypatch, *project, *options)
    images, expected = logits_of(tmp_path)
    with torch.no_grad():
        found = torch.export.load(str(program)).module()(images)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    runtime = pytest.importorskip('onnxruntime')
    session = runtime.InferenceSession(str(path))
    (found,) = session.run(['logits'], dict(images=images.numpy()))
    found = torch.from_numpy(found)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def swin():
    return dict(
        _scope_='mmpretrain',
        type='ImageClassifier',
        backbone=dict(
            type='SwinTransformer',
            arch=dict(
                embed_dims=8, depths=[2, 1, 1, 1], num_heads=[1, 1, 1, 1]
            ),
            img_size=64,
            window_size=2,
            drop_path_rate=0.0,
        ),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(type='LinearClsHead', num_classes=5, in_channels=64),
    )


def test_a_graph_of_one_image_at_a_time(tmp_path):
    """Swin computes with the number of images in Python."""
    torch.manual_seed(0)
    model = MODELS.build(swin()).eval()
    images = torch.randn(3, 3, 64, 64)
    assert not takes_any_number(model, images[:2])
    plain = MODELS.build(classifier(8)).eval()
    assert takes_any_number(plain, torch.randn(2, 3, 32, 32))
    pytest.importorskip('onnx')
    path = tmp_path / 'a.onnx'
    export_onnx(model, images[:1], path)
    runtime = pytest.importorskip('onnxruntime')
    session = runtime.InferenceSession(str(path))
    (found,) = session.run(['logits'], dict(images=images[2:].numpy()))
    with torch.no_grad():
        expected = model(images[2:], mode='tensor')
    torch.testing.assert_close(
        torch.from_numpy(found), expected, atol=1e-5, rtol=0
    )


def test_a_network_of_several_outputs():
    model = MODELS.build(classifier(8)).eval()
    images = torch.randn(2, 3, 32, 32)
    check_logits(model, images)
    model.head.forward = lambda feats: (feats[-1], feats[-1])
    with pytest.raises(SettingError, match='gives one tensor, but .* tuple;'):
        check_logits(model, images)


def test_refusals(project, tmp_path, monkeypatch):
    config, checkpoint = project
    out = tmp_path / 'student.pth'
    plain = tmp_path / 'plain.pth'
    torch.save(dict(state_dict={'head.fc.weight': torch.ones(1)}), plain)
    other = tmp_path / 'other.pth'
    torch.save({'architecture.head.fc.weight': torch.ones(1)}, other)
    alone = write(tmp_path / 'alone.py', "model = dict(type='A')\n")
    taken = write(tmp_path / 'taken.py').with_suffix('.pth')
    file = write(tmp_path / 'file')
    for arguments, message in (
        ((config, plain, '--out', out), 'is not of a distillation'),
        ((config, other, '--out', out), 'of another architecture'),
        ((config, other, '--out', out, '--ema'), 'no averaged weights'),
        ((alone, checkpoint, '--out', out), 'has no model.architecture'),
        ((config, 'gone.pth', '--out', out), 'does not exist'),
        (('gone.py', checkpoint, '--out', out), 'There is no config'),
        ((config, checkpoint, '--out', taken), 'taken.py. exists'),
        ((config, checkpoint, '--out', tmp_path), 'not the name of a check'),
        ((config, checkpoint, '--out', file / 'a.pth'), 'is a file'),
        (
            (config, checkpoint, '--out', out, '--torch-export', file),
            '--torch-export: .*file. exists',
        ),
        (
            (config, checkpoint, '--out', out, '--torch-export', out)
            + ('--cfg-options', 'test_dataloader.dataset.data_root=gone'),
            'write it as --shape HEIGHT WIDTH',
        ),
    ):
        with pytest.raises(SettingError, match=message):
            main(monkeypatch, *arguments)
    assert not list(tmp_path.glob('student*'))


def test_converters_of_mmrazor_and_mmpretrain(project, tmp_path, monkeypatch):
    """They work in a process that has imported this package."""

    def convert(tool, *arguments):
        monkeypatch.setattr(sys, 'argv', [str(tool), *map(str, arguments)])
        runpy.run_path(str(tool), run_name='__main__')

    student, exported, _ = export(project, tmp_path / 'student.pth')
    expected = student.model.state_dict()
    tool = 'model_converters/convert_kd_ckpt_to_student.py'
    convert(
        *(tool_of(mmrazor.__name__, tool), project[1]),
        *('--out-path', tmp_path),
    )
    (weights,) = tmp_path.glob('epoch_*_student.pth')
    state = torch.load(weights, weights_only=True)['state_dict']
    assert all(torch.equal(state[key], expected[key]) for key in expected)

    tool = tool_of('mmpretrain', 'model_converters/publish_model.py')
    convert(tool, exported, tmp_path / 'published')
    (weights,) = tmp_path.glob('published_*.pth')
    state = torch.load(weights, weights_only=True)['state_dict']
    assert all(torch.equal(state[key], expected[key]) for key in expected)


@pytest.mark.slow
def test_from_training_to_a_test_without_us(tmp_path):
    """With mmpretrain's own tools; the same accuracy to the last digit."""
    config = write_project(tmp_path / 'project', epochs=8, train=1352)
    train, test = (
        tool_of('mmpretrain', f'{name}.py') for name in ('train', 'test')
    )
    package = tmp_path / 'package'
    shutil.copytree(ROOT / 'mmrazor_lakd', package / 'mmrazor_lakd')
    folder = tmp_path / 'elsewhere'
    folder.mkdir()
    ours = dict(folder=folder, package=package)
    run_python(train, config, '--work-dir', 'work', **ours)
    metrics = ('--out-item', 'metrics', '--out')
    checkpoint = Path('work', 'epoch_8.pth')
    run_python(test, config, checkpoint, *metrics, 'with.json', **ours)
    run_python(TOOL, config, checkpoint, '--out', 'student.pth', **ours)
    (weights,) = folder.glob('student-*.pth')
    run_python(
        *(test, 'student.py', weights, *metrics, 'without.json'),
        folder=folder,
    )
    expected, found = (
        json.loads((folder / f'{name}.json').read_text())
        for name in ('with', 'without')
    )
    assert found == expected
    assert found['accuracy/top1'] > 50


@pytest.mark.parametrize('kind', ['ResNet', 'ResNet_CIFAR'])
def test_a_network_with_maps_to_teach_becomes_mmpretrains(kind):
    """Which has the same weights, by the same names."""
    backbone = dict(type=f'Tapped{kind}', depth=18)
    architecture = dict(classifier(8, width=512), backbone=backbone)
    cfg = Config(dict(model=dict(architecture=architecture)))
    plain = student_config(cfg).model
    assert plain.backbone.type == kind
    tapped, found = (MODELS.build(one) for one in (architecture, plain))
    found.load_state_dict(tapped.state_dict())
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        outputs = [
            one.eval()(images, mode='tensor') for one in (tapped, found)
        ]
    assert torch.equal(*outputs)


@MODELS.register_module()
class ScaledTappedResNet(TappedResNet):
    """A network of the user's, with the same parameters and other maps."""

    def forward(self, x):
        """Give twice the maps."""
        return tuple(2 * feature for feature in super().forward(x))


def test_a_network_over_ours_stays_what_it_is():
    backbone = dict(type='ScaledTappedResNet', depth=18)
    architecture = dict(classifier(8, width=512), backbone=backbone)
    cfg = Config(dict(model=dict(architecture=architecture)))
    plain = student_config(cfg).model
    assert plain.backbone.type == 'ScaledTappedResNet'


@pytest.mark.parametrize('kind', ['mmpretrain.TappedResNet', TappedResNet])
def test_a_network_in_another_package_s_model(kind):
    """mmdet, say, has a ResNet of its own."""
    backbone = dict(type=kind, depth=18)
    architecture = dict(classifier(8, width=512), backbone=backbone)
    plain = student_config(Config(dict(model=dict(architecture=architecture))))
    assert plain.model.backbone.type == 'mmpretrain.ResNet'
