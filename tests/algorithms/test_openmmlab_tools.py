"""The tools of mmpretrain and MMEngine on a distillation model."""

import json
import runpy
import sys

import pytest
import torch
from mmengine.analysis import get_model_complexity_info
from mmpretrain import (
    FeatureExtractor,
    ImageClassificationInferencer,
    get_model,
    inference_model,
)
from own_distillation import tool_of, train_project, write_project


@pytest.fixture(scope='module')
def project(tmp_path_factory):
    """A config of a user's own, and a checkpoint of its training."""
    config = write_project(tmp_path_factory.mktemp('project'), test=40)
    return config, train_project(config)


@pytest.fixture
def model(project):
    return get_model(*map(str, project))


def test_get_model_loads_the_student(project, model):
    saved = torch.load(project[1], weights_only=True)['state_dict']
    for key, value in model.student.state_dict().items():
        assert torch.equal(value, saved[f'architecture.{key}'])


def test_extract_feat(model):
    images = torch.randn(2, 3, 32, 32)
    (pooled,) = model.extract_feat(images)
    assert pooled.shape == (2, 32)
    (maps,) = model.extract_feat(images, stage='backbone')
    assert maps.shape == (2, 32, 4, 4)


def test_inferencers(project, model):
    image = next((project[0].parent / 'test' / '3').glob('*.png'))
    (found,) = ImageClassificationInferencer(model)(str(image))
    (same,) = ImageClassificationInferencer(*map(str, project))(str(image))
    assert found['pred_class'] in set('0123456789')
    assert (found['pred_scores'] == same['pred_scores']).all()
    ((features,),) = FeatureExtractor(model)(str(image), stage='neck')
    assert features.shape == (32,)


def test_inference_model_takes_models_of_the_zoo_only(project, model):
    """Ours no less than any other model from a config file."""
    image = next((project[0].parent / 'test' / '3').glob('*.png'))
    with pytest.raises(NotImplementedError, match='No available inferencer'):
        inference_model(model, str(image))


def run_tool(monkeypatch, name, *arguments):
    """Run mmpretrain's own tool."""
    tool = str(tool_of('mmpretrain', name))
    monkeypatch.setattr(sys, 'argv', [tool, *map(str, arguments)])
    runpy.run_path(tool, run_name='__main__')


def test_get_flops(project, model, monkeypatch, capsys):
    """The student's, though of its backbone and neck alone."""
    counted = get_model_complexity_info(model, (3, 32, 32))
    alone = get_model_complexity_info(model.student, (3, 32, 32))
    assert counted['flops'] == alone['flops'] > 0
    run_tool(
        monkeypatch,
        *('analysis_tools/get_flops.py', project[0], '--shape', '32'),
    )
    assert 'Input shape: (3, 32, 32)\nFlops: ' in capsys.readouterr().out


@pytest.mark.parametrize('tta', [False, True], ids=['pictures', 'tta'])
def test_mmpretrains_test(project, tmp_path, monkeypatch, tta):
    """With --tta, and with --show-dir, which switches VisualizationHook on."""
    shown, metrics = tmp_path / 'shown', tmp_path / 'metrics.json'
    options = ['--tta'] if tta else ['--show-dir', shown, '--interval', 10]
    run_tool(
        monkeypatch,
        *('test.py', *project, '--work-dir', tmp_path, *options),
        *('--out', metrics, '--out-item', 'metrics'),
    )
    assert 'accuracy/top1' in json.loads(metrics.read_text())
    assert tta or len(list(shown.glob('*.png'))) == 4
