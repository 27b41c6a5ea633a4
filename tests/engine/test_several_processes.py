"""Several processes train what one does: shipped configs, all their hooks."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from conftest import ROOT, classifier
from mmpretrain.registry import MODELS

SCRIPT = Path(__file__).with_name('ranks_in_turn.py')
LAKD = 'configs/lakd/lakd_resnet20_resnet8_1xb64_digits.py'
KD = 'configs/kd/kd_resnet20_resnet8_1xb64_digits.py'
CIFAR = 'configs/lakd/lakd_resnet20_resnet8_1xb128_cifar10.py'
PATH = os.pathsep.join([str(ROOT), str(SCRIPT.parent)])
ENV = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': PATH}


@pytest.fixture(scope='module')
def teacher(tmp_path_factory):
    """A checkpoint of a ResNet20, as tools/train.py writes it."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp('teacher') / 'teacher.pth'
    model = MODELS.build(classifier(20))
    model.init_weights()
    torch.save(dict(state_dict=model.state_dict()), path)
    return path


def start(command, folder, options, *more):
    """Start a training in a session of its own."""
    return subprocess.Popen(
        [*map(str, command), '--work-dir', str(folder), *more]
        + ['--cfg-options', *options],
        cwd=ROOT,
        env=ENV,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(process):
    """Wait for a training to end well."""
    output, _ = process.communicate(timeout=1200)
    assert process.returncode == 0, output[-3000:]


def torchrun(script, count, port):
    return [
        sys.executable, '-m', 'torch.distributed.run', '--master_port', port,
        f'--nproc_per_node={count}', script,
    ]  # fmt: skip


def weights(folder, epoch):
    """The student's, and the optimizer's momentum; no running statistics."""
    saved = torch.load(folder / f'epoch_{epoch}.pth', weights_only=False)
    found = {
        name: value
        for name, value in saved['state_dict'].items()
        if 'running' not in name and 'num_batches' not in name
    }
    for number, state in saved['optimizer']['state'].items():
        found[f'momentum {number}'] = state['momentum_buffer']
    return found


def check_two_equal_one(config, teacher, tmp_path, batch, epochs, options):
    """Train in two processes, killed and resumed, and in one."""
    options = [
        f'model.teacher_ckpt={teacher}',
        f'train_cfg.max_epochs={epochs}',
        f'train_cfg.val_interval={epochs}',
        'optim_wrapper.type=OptimWrapper',
        'default_hooks.checkpoint.save_best=None',
        # each rank draws its own random numbers
        'train_dataloader.dataset.pipeline=[]',
        *options,
    ]
    one, two = tmp_path / 'one', tmp_path / 'two'
    single = start(
        [sys.executable, SCRIPT, config],
        one,
        [
            *options,
            f'train_dataloader.batch_size={batch}',
            'default_hooks.ranks.type=MeanOverRanks',
            'train_dataloader.sampler.type=RanksInTurn',
            f'train_dataloader.sampler.share={batch // 2}',
            'custom_imports.imports=[mmrazor_lakd,ranks_in_turn]',
        ],
    )
    options.append(f'train_dataloader.batch_size={batch // 2}')
    command = [*torchrun(SCRIPT, 2, '29631'), config, '--launcher', 'pytorch']
    killed = start(command, two, options)
    first = two / 'epoch_1.pth'
    end = time.time() + 600
    while not first.exists() and killed.poll() is None and time.time() < end:
        time.sleep(0.1)
    time.sleep(0.5)  # into the second epoch
    os.killpg(killed.pid, signal.SIGKILL)
    output, _ = killed.communicate()
    assert first.exists(), output[-3000:]
    finish(start(command, two, options, '--resume'))
    finish(single)
    expected, found = weights(one, epochs), weights(two, epochs)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        assert value.dtype == torch.float64
        error = (found[name] - value).abs().max() / value.abs().max()
        assert error < 1e-9, (name, error)


@pytest.mark.parametrize(
    'config', [LAKD, pytest.param(KD, marks=pytest.mark.slow)]
)
def test_two_processes_equal_one(config, teacher, tmp_path):
    """To 1e-9 in float64, after 52 iterations, a kill and a resume."""
    options = [
        'train_dataloader.dataset.indices=416',
        'val_dataloader.dataset.indices=64',
    ]
    check_two_equal_one(config, teacher, tmp_path, 16, 2, options)


@pytest.mark.slow
@pytest.mark.skipif(
    not (ROOT / 'data/cifar10').exists(), reason='CIFAR-10 is not there'
)
def test_two_processes_equal_one_on_cifar10(teacher, tmp_path):
    options = ['train_dataloader.dataset.indices=3200']
    check_two_equal_one(CIFAR, teacher, tmp_path, 128, 2, options)


def test_one_process_of_dist_train_is_train(teacher, tmp_path):
    """Bit by bit, with all of the config as it is shipped."""
    options = [
        f'model.teacher_ckpt={teacher}',
        'train_dataloader.dataset.indices=192',
        'val_dataloader.dataset.indices=64',
        'train_cfg.max_epochs=2',
    ]
    tools = {
        'train': [sys.executable, 'tools/train.py', LAKD],
        'dist_train': ['tools/dist_train.sh', LAKD, '1'],
    }
    ENV.update(PYTHON=sys.executable, MASTER_PORT='29632')
    for name, command in tools.items():
        finish(start(command, tmp_path / name, options))
    saved = [
        torch.load(tmp_path / name / 'epoch_2.pth', weights_only=False)
        for name in tools
    ]
    for name, value in saved[0]['state_dict'].items():
        assert torch.equal(value, saved[1]['state_dict'][name]), name
