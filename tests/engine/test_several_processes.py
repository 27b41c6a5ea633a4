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
from fork_server import call_tool, start_ranks, start_tool
from mmpretrain.registry import MODELS

SCRIPT = Path(__file__).with_name('ranks_in_turn.py')
LAKD = 'configs/lakd/lakd_resnet20_resnet8_1xb64_digits.py'
KD = 'configs/kd/kd_resnet20_resnet8_1xb64_digits.py'
CIFAR = 'configs/lakd/lakd_resnet20_resnet8_1xb128_cifar10.py'
ENV = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT)}


@pytest.fixture(scope='module')
def teacher(tmp_path_factory):
    """A checkpoint of a ResNet20, as tools/train.py writes it."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp('teacher') / 'teacher.pth'
    model = MODELS.build(classifier(20))
    model.init_weights()
    torch.save(dict(state_dict=model.state_dict()), path)
    return path


def check_end(done):
    """Check that a training has ended well."""
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]


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
    single = start_tool(
        *(SCRIPT, config, '--work-dir', one, '--cfg-options', *options),
        f'train_dataloader.batch_size={batch}',
        'default_hooks.ranks.type=MeanOverRanks',
        'train_dataloader.sampler.type=RanksInTurn',
        f'train_dataloader.sampler.share={batch // 2}',
        'custom_imports.imports=[mmrazor_lakd,ranks_in_turn]',
    )
    options.append(f'train_dataloader.batch_size={batch // 2}')
    command = [SCRIPT, config, '--launcher', 'pytorch', '--work-dir', two]
    arguments = ['--cfg-options', *options]
    killed = start_ranks(*command, *arguments, port=29631)
    first = two / 'epoch_1.pth'
    end = time.time() + 600
    while (
        not first.exists()
        and all(rank.is_running() for rank in killed)
        and time.time() < end
    ):
        time.sleep(0.1)
    time.sleep(0.5)  # into the second epoch
    for rank in killed:
        os.killpg(rank.pid, signal.SIGKILL)
    errors = [rank.finish().stderr[-3000:] for rank in killed]
    assert first.exists(), errors
    for rank in start_ranks(*command, '--resume', *arguments, port=29631):
        check_end(rank.finish(timeout=1200))
    check_end(single.finish(timeout=1200))
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


def test_a_signal_to_one_process_stops_both(teacher, tmp_path):
    """After the same iteration, which is saved."""
    options = [
        f'model.teacher_ckpt={teacher}',
        'train_dataloader.dataset.indices=416',
        'default_hooks.logger.interval=1',
    ]
    ranks = start_ranks(
        *('tools/train.py', LAKD, '--launcher', 'pytorch', '--work-dir'),
        *(tmp_path, '--cfg-options', *options),
        port=29633,
    )
    log = ''
    while 'Epoch(train)' not in log and ranks[0].is_running():
        log = ''.join(path.read_text() for path in tmp_path.glob('*/*.log'))
        time.sleep(0.05)
    os.kill(ranks[1].pid, signal.SIGTERM)
    ended = [rank.finish() for rank in ranks]
    assert [done.returncode for done in ended] == [143, 143], ended
    assert 'stopped by SIGTERM after iteration' in ended[0].stderr
    assert 'stopped' not in ended[1].stderr
    [saved] = tmp_path.glob('stopped_iter_*.pth')
    assert (tmp_path / 'last_checkpoint').read_text() == str(saved)


def test_one_process_of_dist_train_is_train(teacher, tmp_path):
    """Bit by bit, with all of the config as it is shipped."""
    options = [
        f'model.teacher_ckpt={teacher}',
        'train_dataloader.dataset.indices=192',
        'val_dataloader.dataset.indices=64',
        'train_cfg.max_epochs=2',
    ]
    one, dist = tmp_path / 'one', tmp_path / 'dist'
    arguments = ['--cfg-options', *options]
    check_end(call_tool('tools/train.py', LAKD, '--work-dir', one, *arguments))
    check_end(
        subprocess.run(
            ['tools/dist_train.sh', LAKD, '1', '--work-dir', dist, *arguments],
            cwd=ROOT,
            env={**ENV, 'PYTHON': sys.executable, 'MASTER_PORT': '29632'},
            capture_output=True,
            text=True,
            timeout=1200,
        )
    )
    saved = [
        torch.load(folder / 'epoch_2.pth', weights_only=False)
        for folder in (one, dist)
    ]
    for name, value in saved[0]['state_dict'].items():
        assert torch.equal(value, saved[1]['state_dict'][name]), name


def test_all_processes_evaluate_the_saved_statistics(tmp_path):
    script = Path(__file__).with_name('statistics_of_two_ranks.py')
    for process in start_ranks(script, tmp_path, port=29645):
        check_end(process.finish())
    found = [torch.load(tmp_path / f'rank{rank}.pth') for rank in range(2)]
    (saved, after), (own, others) = found
    assert len(saved) == 3
    for name, value in saved.items():
        assert not torch.equal(value, own[name])
        assert torch.equal(value, after[name])
        assert torch.equal(value, others[name])
