"""Weights are found in whatever somebody saved."""

import argparse

import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.model import ExponentialMovingAverage
from torch import nn
from torch.optim.swa_utils import AveragedModel

from mmrazor_lakd import SettingError
from mmrazor_lakd.algorithms import load_network
from mmrazor_lakd.checkpoints.loading import read_state_dict
from mmrazor_lakd.checkpoints.weights import not_finite


def network(value=0.0):
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    for param in model.parameters():
        nn.init.constant_(param, value)
    return model


def prefixed(prefix, weights):
    return {prefix + key: value for key, value in weights.items()}


OURS, OTHER = network(1.0).state_dict(), network(2.0).state_dict()
COMPILED = prefixed('_orig_mod.', OURS)


@pytest.mark.parametrize(
    'found',
    [
        OURS,
        dict(state_dict=OURS),
        dict(model=OURS, epoch=3),
        dict(net=prefixed('module.', OURS), acc=93.2),
        prefixed('module.', OURS),
        COMPILED,
        prefixed('module.', COMPILED),
        dict(state_dict=prefixed('architecture.', COMPILED)),
        # a part that was compiled alone
        {k.replace('0.', '0._orig_mod.', 1): v for k, v in OURS.items()},
        dict(state_dict_ema=OURS),
        dict(model_ema=AveragedModel(network(1.0)).state_dict()),
        AveragedModel(network(1.0)).state_dict(),
        dict(
            ema_state_dict=ExponentialMovingAverage(network(1.0)).state_dict()
        ),
        # what was trained comes before its average
        dict(state_dict=OURS, state_dict_ema=OTHER),
        dict(
            ema_state_dict=ExponentialMovingAverage(network(2.0)).state_dict(),
            state_dict=OURS,
        ),
    ],
)
def test_forms(found, tmp_path):
    path = str(tmp_path / 'a.pth')
    torch.save(found, path)
    model = network()
    load_network(model, read_state_dict(path, 'x'), path, 'x', 'teacher')
    for name, value in model.state_dict().items():
        assert torch.equal(value, OURS[name]), name


def test_a_child_named_module_stays(tmp_path):
    path = str(tmp_path / 'a.pth')
    weights = {'module.weight': torch.ones(1), 'steps': torch.ones(1)}
    torch.save(dict(weights, other=torch.ones(1)), path)
    assert 'module.weight' in read_state_dict(path, 'x')


def test_which_of_several_is_logged(tmp_path):
    log = tmp_path / 'log'
    MMLogger.get_instance(str(tmp_path), log_file=str(log))
    path = str(tmp_path / 'a.pth')
    torch.save(dict(state_dict=OURS, state_dict_ema=OTHER), path)
    read_state_dict(path, 'model.teacher_ckpt')
    found = "(state_dict, state_dict_ema), 'state_dict' is taken"
    assert found in log.read_text()


@pytest.mark.parametrize(
    'found, sentence',
    [
        (
            dict(state_dict=dict(OURS, lr=0.1)),
            r"under 'state_dict' not only tensors, but also lr \(float\)",
        ),
        (dict(state_dict=[1]), 'no state dict, but the keys state_dict; '),
        ({1: torch.ones(1)}, 'no state dict, but the keys 1; '),
        (
            dict(model=OURS, args=argparse.Namespace(lr=1)),
            'it holds argparse.Namespace, .*save its weights alone with',
        ),
        (network(), 'it holds torch.nn.modules.container.Sequential, '),
    ],
)
def test_what_holds_no_weights(found, sentence, tmp_path):
    path = str(tmp_path / 'a.pth')
    torch.save(found, path)
    if torch.__version__ < '2.6' and 'it holds' in sentence:
        pytest.skip('this PyTorch loads any class')
    with pytest.raises(SettingError, match=sentence) as error:
        read_state_dict(path, 'model.teacher_ckpt')
    assert 'truncated' not in str(error.value)


@pytest.mark.parametrize(
    'address, reason',
    [
        ('http://127.0.0.1:9/a.pth', 'URLError: .*refused'),
        ('torchvision://no_such_net', "KeyError: 'no_such_net'"),
        ('s3://bucket/a.pth', 'ImportError: Please install petrel'),
    ],
)
def test_what_cannot_be_fetched(address, reason):
    with pytest.raises(SettingError, match=f"can't be fetched .{reason}"):
        read_state_dict(address, 'model.teacher_ckpt')


def test_a_page_in_place_of_a_file(tmp_path, monkeypatch):
    """A proxy's, for example, which is kept under the file's name."""
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    kept = tmp_path / 'checkpoints' / 'a.pth'
    kept.parent.mkdir()
    kept.write_text('<html>')
    address = 'http://127.0.0.1:9/a.pth'
    with pytest.raises(SettingError, match=f"remove '{kept}', as which it"):
        read_state_dict(address, 'model.teacher_ckpt')
    torch.save(dict(state_dict=OURS), kept)
    log = tmp_path / 'log'
    MMLogger.get_instance(str(tmp_path), log_file=str(log))
    read_state_dict(address, 'model.teacher_ckpt')
    assert f"'{address}' is taken from '{kept}'" in log.read_text()


def test_not_finite():
    state = dict(
        a=torch.tensor([1.0, float('inf')]),
        b=[torch.tensor(2), dict(c=torch.tensor(float('nan')), d=0.1)],
        e=torch.tensor(1 + 2j),
        f=float('nan'),
    )
    assert list(not_finite(state)) == ['a', 'b.1.c']
