"""A training on two machines: two network namespaces with addresses."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from conftest import ROOT

CONFIG = 'configs/teachers/resnet8_1xb64_digits.py'
ADDRESSES = ('10.77.0.1', '10.77.0.2')
PORT = '29671'
PATHS = (ROOT, ROOT / 'tests' / 'engine', ROOT / 'tests' / 'faults')
ENV = dict(
    os.environ,
    OMP_NUM_THREADS='1',
    PYTHONPATH=':'.join(map(str, PATHS)),
    PYTHON=sys.executable,
    NNODES='2',
    MASTER_ADDR=ADDRESSES[0],
    MASTER_PORT=PORT,
    # the machine's own name leads to none of the addresses
    GLOO_SOCKET_IFNAME='eth0',
)
# A machine has a minute to notice; one without contention takes 40 s.
MINUTE = 60


def ip(*command):
    return subprocess.run(
        ['ip', *command], check=True, capture_output=True, text=True
    ).stdout


def make_machines(names):
    for name in names:
        ip('netns', 'add', name)
        ip('-n', name, 'link', 'set', 'lo', 'up')
    ip(
        *('link', 'add', 'eth0', 'netns', names[0], 'type', 'veth'),
        *('peer', 'name', 'eth0', 'netns', names[1]),
    )
    for name, address in zip(names, ADDRESSES):
        ip('-n', name, 'address', 'add', f'{address}/24', 'dev', 'eth0')
        ip('-n', name, 'link', 'set', 'eth0', 'up')


@pytest.fixture
def machines():
    """Names of two network namespaces that reach each other."""
    names = [f'lakd{os.getpid()}_{number}' for number in range(2)]
    try:
        make_machines(names)
    except (OSError, subprocess.CalledProcessError) as error:
        why = getattr(error, 'stderr', '') or error
        remove_machines(names)
        pytest.skip(f'no network namespaces here: {why}')
    yield names
    remove_machines(names)


def remove_machines(names):
    for name in names:
        for pid in pids(name):
            os.kill(pid, signal.SIGKILL)
        subprocess.run(['ip', 'netns', 'delete', name], capture_output=True)


def pids(machine):
    """The processes of a machine, but for those that are only to be reaped."""
    done = subprocess.run(
        ['ip', 'netns', 'pids', machine], capture_output=True, text=True
    )
    found = []
    for pid in map(int, done.stdout.split()):
        try:
            state = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2]
        except OSError:
            continue
        if state.split()[0] != 'Z':
            found.append(pid)
    return found


class Training:
    """tools/dist_train.sh on both machines, one process on each."""

    def __init__(self, machines, folder, *options):
        self.machines = machines
        self.folder = folder
        self.logs = [folder / f'machine_{rank}.log' for rank in range(2)]
        folder.mkdir(exist_ok=True)
        self.launchers = [
            subprocess.Popen(
                [
                    *('ip', 'netns', 'exec', machine),
                    *('tools/dist_train.sh', CONFIG, '1'),
                    *('--work-dir', str(folder), '--cfg-options'),
                    *map(str, options),
                ],
                cwd=ROOT,
                env=dict(ENV, NODE_RANK=str(rank)),
                stdout=self.logs[rank].open('w'),
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
            for rank, machine in enumerate(machines)
        ]

    def said(self, rank):
        return self.logs[rank].read_text()

    def wait_for(self, name, seconds=600):
        end = time.time() + seconds
        while not (self.folder / name).exists():
            for rank, launcher in enumerate(self.launchers):
                assert launcher.poll() is None, self.said(rank)[-3000:]
            assert time.time() < end, self.said(0)[-3000:]
            time.sleep(0.1)

    def check_ends(self, rank, sentence):
        """Check that a machine's part ends within a minute, and why."""
        begin = time.time()
        code = self.launchers[rank].wait(timeout=600)
        seconds = time.time() - begin
        print(f'machine {rank} ended after {seconds:.0f} s')
        said = self.said(rank)
        told = [n for n in said.splitlines() if n.startswith('error: ')]
        assert code and sentence in ''.join(told), said[-3000:]
        assert '--resume' in told[0]
        assert seconds < MINUTE
        assert not pids(self.machines[rank])


@pytest.fixture
def training(machines, tmp_path):
    """One that goes on for long, and has saved an epoch."""
    found = Training(
        machines,
        tmp_path,
        'train_dataloader.dataset.indices=256',
        'val_dataloader.dataset.indices=64',
        'train_cfg.max_epochs=2000',
        'train_cfg.val_interval=2000',
    )
    found.wait_for('epoch_1.pth')
    return found


@pytest.mark.slow
def test_two_machines_equal_one_process(machines, tmp_path):
    """To 1e-9 in float64."""
    options = [
        'train_dataloader.dataset.indices=416',
        'val_dataloader.dataset.indices=64',
        'train_cfg.max_epochs=2',
        'train_cfg.val_interval=2',
        'optim_wrapper.type=OptimWrapper',
        # each process draws its own random numbers
        'train_dataloader.dataset.pipeline=[]',
    ]
    both = Training(
        machines,
        tmp_path / 'two',
        *options,
        'train_dataloader.batch_size=8',
        'custom_imports.imports=[mmrazor_lakd,float64]',
    )
    one = subprocess.run(
        [
            *(sys.executable, 'tools/train.py', CONFIG),
            *('--work-dir', tmp_path / 'one', '--cfg-options', *options),
            'train_dataloader.batch_size=16',
            'default_hooks.ranks.type=MeanOverRanks',
            'train_dataloader.sampler.type=RanksInTurn',
            'train_dataloader.sampler.share=8',
            'custom_imports.imports=[mmrazor_lakd,float64,ranks_in_turn]',
        ],
        cwd=ROOT,
        env=ENV,
        capture_output=True,
        text=True,
    )
    assert one.returncode == 0, one.stderr[-3000:]
    for rank, launcher in enumerate(both.launchers):
        assert launcher.wait(timeout=600) == 0, both.said(rank)[-3000:]
    expected, found = (
        torch.load(tmp_path / name / 'epoch_2.pth', weights_only=False)
        for name in ('one', 'two')
    )
    largest = 0.0
    for name, value in expected['state_dict'].items():
        if 'running' in name or 'num_batches' in name:
            continue
        assert value.dtype == torch.float64
        error = (found['state_dict'][name] - value).abs().max()
        largest = max(largest, float(error / value.abs().max()))
    print(f'largest relative difference: {largest:.1e}')
    assert largest < 1e-9


@pytest.mark.slow
@pytest.mark.parametrize('lost', [0, 1])
def test_machine_whose_processes_are_killed(training, lost):
    for pid in pids(training.machines[lost]):
        os.kill(pid, signal.SIGKILL)
    training.check_ends(1 - lost, 'another process of this training has ended')


@pytest.mark.slow
def test_network_that_is_gone(training):
    """Nothing is refused, and no connection closed: packets are lost."""
    ip('-n', training.machines[1], 'link', 'set', 'eth0', 'down')
    training.check_ends(0, 'process 1, on ')
    training.check_ends(1, f'the machine of process 0, {ADDRESSES[0]},')


@pytest.mark.slow
@pytest.mark.parametrize('killed', [0, 1])
def test_launcher_that_is_killed(training, killed):
    """Its workers end, and so do those of the other machine."""
    training.launchers[killed].kill()
    training.launchers[killed].wait()
    end = time.time() + 10
    while pids(training.machines[killed]) and time.time() < end:
        time.sleep(0.1)
    assert not pids(training.machines[killed])
    said = training.said(killed)
    assert 'the launcher that started this process is gone' in said
    training.check_ends(1 - killed, 'another process of this training')
