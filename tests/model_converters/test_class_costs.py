"""The distances of classes that WKD-L takes, from a teacher's features."""

import importlib.util
import sys

import pytest
import torch
from conftest import ROOT
from mmengine.config import Config
from mmpretrain.registry import MODELS

from mmrazor_lakd import SettingError
from mmrazor_lakd.analysis.data import make_probe_loader

TOOL = 'tools/model_converters/class_costs.py'
CONFIG = 'configs/kd/kd_resnet20_resnet8_1xb64_digits.py'


@pytest.fixture(scope='module')
def teacher(tmp_path_factory):
    """A teacher that has learned nothing, and its checkpoint."""
    torch.manual_seed(0)
    cfg = Config.fromfile(ROOT / CONFIG)
    model = MODELS.build(dict(cfg.model.teacher)).eval()
    path = tmp_path_factory.mktemp('teacher') / 'teacher.pth'
    torch.save(model.state_dict(), path)
    return cfg, model, path


def call(monkeypatch, *args):
    """Call the tool's own main, whose errors end in one sentence."""
    spec = importlib.util.spec_from_file_location('tool', ROOT / TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, 'argv', [TOOL, CONFIG, *map(str, args)])
    tool.main(tool.parse_args())


@pytest.mark.parametrize('module', [None, 'backbone.layer3'])
def test_the_file_holds_the_formula(
    teacher, tmp_path, monkeypatch, capsys, module
):
    cfg, model, path = teacher
    out = tmp_path / 'new' / 'costs.pth'
    more = ['--module', module] if module else []
    call(
        monkeypatch,
        *('--teacher', path, '--images', 60, '--out', out),
        *more,
    )
    assert f'Wrote {out}: 10 classes' in capsys.readouterr().out

    rows = [[] for _ in range(10)]
    preprocessor = MODELS.build(
        dict(cfg.model.get('data_preprocessor') or cfg.data_preprocessor)
    )
    for batch in make_probe_loader(cfg, 60):
        batch = preprocessor(batch, False)
        with torch.no_grad():
            for image, sample in zip(batch['inputs'], batch['data_samples']):
                (features,) = model.backbone(image[None])
                if module is None:
                    features = model.head.fc(features.mean((2, 3)))
                rows[sample.gt_label.item()].append(
                    features[0].double().flatten(1).t()
                    if module
                    else features.double()
                )
    fewest = min(len(features) for features in rows)
    rows = [torch.cat(features[:fewest]) for features in rows]
    rows = [features - features.mean(0) for features in rows]

    def similarity(one, other):
        return sum(
            (one[:, i] @ other[:, j]) ** 2
            for i in range(one.shape[1])
            for j in range(other.shape[1])
        )

    costs = torch.load(out)
    for i, j in ((0, 1), (2, 7), (9, 4), (3, 3)):
        norms = similarity(rows[i], rows[i]) * similarity(rows[j], rows[j])
        expected = 1 - similarity(rows[i], rows[j]) / norms.sqrt()
        assert costs[i, j].item() == pytest.approx(expected.item(), abs=1e-5)


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (['--module', 'backbone.layer4'], 'write one of .*backbone.layer3'),
        (['--images', '5'], 'none of the 5 images; raise --images'),
        (['--teacher', 'gone.pth'], "teacher='gone.pth' does not exist"),
    ],
)
def test_refusals(teacher, tmp_path, monkeypatch, args, message):
    out = tmp_path / 'costs.pth'
    with pytest.raises(SettingError, match=message):
        call(monkeypatch, '--teacher', teacher[2], '--out', out, *args)
    assert not out.exists()
    out.write_bytes(b'old')
    with pytest.raises(SettingError, match="costs.pth' exists"):
        call(monkeypatch, '--teacher', teacher[2], '--out', out)
    assert out.read_bytes() == b'old'
