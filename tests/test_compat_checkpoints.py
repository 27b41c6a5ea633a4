"""MMEngine's checkpoints: they are read, and what isn't one is refused."""

import io
import os
import pickle
import subprocess
from collections import OrderedDict

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModel
from mmengine.registry import PARAM_SCHEDULERS
from mmengine.runner import Runner, load_checkpoint
from torch.utils.data import DataLoader

from mmrazor_lakd.safe_loading import is_protected, load_unprotected


class Call:
    """Pickles as the call of a function, as a malicious file would."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


@pytest.fixture(scope='module')
def protected():
    """Whether this PyTorch refuses unknown calls unless told otherwise."""
    file = io.BytesIO()
    torch.save(Call(os.getpid), file)
    file.seek(0)
    try:
        return torch.load(file) != os.getpid()
    except pickle.UnpicklingError:
        return True


class Toy(BaseModel):
    """The smallest model that MMEngine trains."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        return dict(loss=self.layer(inputs).mean())


def checkpoint():
    """What MMEngine 0.10.7 saves, beside tensors, in all its variety."""
    return dict(
        meta=dict(epoch=2, dataset_meta=dict(classes=('cat', 'dog'))),
        state_dict=dict(weight=torch.arange(6.0).view(2, 3)),
        message_hub=dict(
            log_scalars=dict(loss=HistoryBuffer([1.5, 2.5], [1, 1])),
            runtime_info=dict(
                best_score=np.float32(0.5),
                eta=np.float64(3),
                confusion=np.arange(4, dtype=np.int32).reshape(2, 2),
                half=np.float16(1),
                done=np.bool_(True),
            ),
        ),
    )


def test_mmengine_reads_its_checkpoints(tmp_path):
    file = tmp_path / 'epoch_2.pth'
    torch.save(checkpoint(), file)
    model = torch.nn.Linear(3, 2, bias=False)
    found = load_checkpoint(model, str(file), map_location='cpu')
    assert torch.equal(model.weight.cpu(), torch.arange(6.0).view(2, 3))
    log = found['message_hub']['log_scalars']['loss']
    assert log.mean() == 2.0 and log.current() == 2.5
    assert log.statistics('max') == 2.5 and log.statistics('min', 2) == 1.5
    info = found['message_hub']['runtime_info']
    assert info == {
        **checkpoint()['message_hub']['runtime_info'],
        'confusion': info['confusion'],
    }
    assert info['confusion'].tolist() == [[0, 1], [2, 3]]
    assert found['meta'] == checkpoint()['meta']


@pytest.mark.parametrize('core', [b'numpy.core', b'numpy._core'])
def test_checkpoints_of_both_numpys_are_read(core, protected):
    file = io.BytesIO()
    torch.save(
        checkpoint()['message_hub'],
        file,
        _use_new_zipfile_serialization=False,
    )
    written = file.getvalue()
    assert b'numpy.core' in written or b'numpy._core' in written
    written = written.replace(b'numpy._core', b'numpy.core')
    written = written.replace(b'numpy.core', core)
    if not protected and core == b'numpy._core':
        # No allow-list here that could rename: NumPy has to know the name.
        pytest.importorskip('numpy._core')
    for found in (
        torch.load(io.BytesIO(written)),
        load_unprotected(io.BytesIO(written), 'cpu'),
    ):
        assert found['log_scalars']['loss'].statistics('mean') == 2.0
        assert found['runtime_info']['best_score'] == 0.5


def test_a_run_resumes_from_what_it_saved(tmp_path):
    """The real thing: a Runner's own file, through a Runner's own resume."""

    def runner(epochs):
        return Runner(
            Toy(),
            str(tmp_path),
            train_dataloader=DataLoader([(torch.ones(2),)] * 2),
            train_cfg=dict(by_epoch=True, max_epochs=epochs),
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
            param_scheduler=dict(type='MultiStepLR', milestones=[1]),
            experiment_name=f'compat{epochs}',
            default_scope='mmengine',
            resume=epochs > 1,
        )

    runner(1).train()
    assert (tmp_path / 'epoch_1.pth').is_file()
    resumed = runner(2)
    resumed.train()
    assert (resumed.epoch, resumed.iter) == (2, 4)
    assert len(resumed.message_hub.get_scalar('train/loss').data[0]) == 4


@pytest.mark.parametrize(
    'call',
    [
        lambda file: Call(os.system, f'touch {file}'),
        lambda file: Call(eval, f'open({str(file)!r}, "w")'),
        lambda file: Call(open, str(file), 'w'),
        lambda file: Call(getattr, HistoryBuffer, '__init__'),
        lambda file: Call(getattr, np.ndarray, 'tofile'),
        lambda file: Call(getattr, OrderedDict, 'fromkeys'),
        lambda file: Call(subprocess.call, ['touch', str(file)]),
    ],
    ids=['system', 'eval', 'open', 'init', 'tofile', 'fromkeys', 'subprocess'],
)
def test_a_malicious_file_is_still_refused(call, tmp_path):
    victim = tmp_path / 'victim'
    bad = tmp_path / 'bad.pth'
    torch.save(dict(bad=call(victim), **checkpoint()), bad)
    with pytest.raises(pickle.UnpicklingError):
        torch.load(bad, weights_only=True)
    with pytest.raises(pickle.UnpicklingError):
        load_checkpoint(torch.nn.Linear(3, 2), str(bad))
    refused = 'Unsupported class|is no part of an MMEngine checkpoint'
    with pytest.raises(pickle.UnpicklingError, match=refused):
        load_unprotected(bad, 'cpu')
    assert not victim.exists()


# One of each class of states.
SCHEDULES = dict(
    MultiStepLR=dict(milestones=[1, 2]),
    OneCycleLR=dict(eta_max=0.1, total_steps=4),
    ReduceOnPlateauLR=dict(monitor='acc'),
    CosineAnnealingLR=dict(T_max=3),
    CosineRestartLR=dict(periods=[2], eta_min=0.0),
    LinearLR=dict(),
    PolyLR=dict(),
    ExponentialLR=dict(gamma=0.9),
    StepLR=dict(step_size=1),
    ConstantLR=dict(),
)


@pytest.mark.parametrize('zipped', [True, False])
def test_without_protection_of_pytorch_the_same_is_read(zipped, tmp_path):
    """What PyTorch < 2.6 uses, on a Runner's state of all kinds."""
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    model.half()
    optimizer = torch.optim.Adam(model.parameters())
    model[0](torch.ones(1, 2, dtype=torch.half)).sum().backward()
    optimizer.step()
    saved = dict(
        checkpoint(),
        state_dict=model.state_dict(),
        optimizer=optimizer.state_dict(),
        parameter=model[0].weight,
        size=torch.Size([1]),
        dtype=torch.bfloat16,
        param_schedulers=[
            PARAM_SCHEDULERS.build(
                dict(type=kind, **kwargs), default_args=dict(optimizer=rate)
            ).state_dict()
            for rate in [torch.optim.SGD(model.parameters(), 0.1)]
            for kind, kwargs in SCHEDULES.items()
        ],
    )
    path = tmp_path / 'epoch_1.pth'
    torch.save(saved, path, _use_new_zipfile_serialization=zipped)
    found = load_unprotected(path, 'cpu')
    for name, value in model.state_dict().items():
        assert torch.equal(found['state_dict'][name], value), name
    assert isinstance(found['state_dict'], OrderedDict)
    momentum = found['optimizer']['state'][0]['exp_avg']
    assert torch.equal(momentum, optimizer.state_dict()['state'][0]['exp_avg'])
    assert isinstance(found['parameter'], torch.nn.Parameter)
    assert (found['size'], found['dtype']) == (torch.Size([1]), torch.bfloat16)
    assert found['message_hub']['log_scalars']['loss'].current() == 2.5
    assert found['param_schedulers'] == saved['param_schedulers']
    loaded = torch.load(path, weights_only=True)
    assert loaded['param_schedulers'] == saved['param_schedulers']


def test_programs_of_torchscript_are_refused(tmp_path):
    path = tmp_path / 'model.pt'
    torch.jit.trace(torch.nn.Linear(2, 1), torch.ones(1, 2)).save(str(path))
    with pytest.raises(pickle.UnpicklingError, match=r'torch\.jit'):
        load_unprotected(path, 'cpu')


@pytest.mark.parametrize(
    'version, protected',
    [
        ('1.13.1', False),
        ('2.0.1+cu118', False),
        ('2.5.1', False),
        ('2.6.0', True),
        ('2.12.1+cu130', True),
    ],
)
def test_versions_with_protection(version, protected):
    assert is_protected(version) is protected
