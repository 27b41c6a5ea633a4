"""Processes of one training that lose another one, or their launcher."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from conftest import ROOT
from fork_server import start_ranks
from mmengine.config import Config

from mmrazor_lakd.launchers import (
    check_launcher,
    set_local_rank,
    start_cpu_processes,
)

SCRIPT = Path(__file__).with_name('lost_process.py')


def wait_for(condition, seconds=120):
    end = time.time() + seconds
    while not condition():
        assert time.time() < end
        time.sleep(0.1)


def are_at_work(folder):
    counts = [folder / str(rank) for rank in range(2)]
    return all(path.exists() and path.read_text() > '3' for path in counts)


@pytest.fixture
def ranks(tmp_path):
    found = start_ranks(SCRIPT, tmp_path, port=29637)
    wait_for(lambda: are_at_work(tmp_path))
    yield found
    for rank in found:
        with suppress(ProcessLookupError):
            os.kill(rank.pid, signal.SIGKILL)


@pytest.mark.parametrize(
    'lost, sentence',
    [
        (0, 'error: the machine of process 0, 127.0.0.1, has not answered'),
        (1, 'error: process 1, on '),
    ],
)
def test_process_that_says_nothing(ranks, lost, sentence):
    """As a machine without power: its connections stay open."""
    os.kill(ranks[lost].pid, signal.SIGSTOP)
    done = ranks[1 - lost].finish(timeout=60)
    assert done.returncode == 2 and done.stderr.startswith(sentence)
    assert '--resume' in done.stderr
    os.kill(ranks[lost].pid, signal.SIGKILL)
    ranks[lost].finish()


@pytest.mark.parametrize('lost', [0, 1])
def test_process_that_is_killed(ranks, lost):
    os.kill(ranks[lost].pid, signal.SIGKILL)
    done = ranks[1 - lost].finish(timeout=60)
    assert done.returncode == 2 and 'Traceback' not in done.stderr
    assert 'error: another process of this training has ended' in done.stderr
    ranks[lost].finish()


def test_launcher_that_is_killed(tmp_path):
    """Its worker ends, too."""
    folder, log = str(tmp_path), tmp_path / 'log'
    command = [
        *(sys.executable, '-m', 'torch.distributed.run', '--nnodes=1'),
        *('--nproc_per_node=1', '--master_port=29638', SCRIPT, folder),
    ]
    with log.open('w') as file:
        launcher = subprocess.Popen(
            list(map(str, command)),
            cwd=ROOT,
            env=dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1'),
            stdout=file,
            stderr=file,
        )
    wait_for((tmp_path / '0').exists)
    launcher.kill()
    launcher.wait()
    sentence = 'error: the launcher that started this process is gone'
    wait_for(lambda: sentence in log.read_text(), seconds=20)


def test_processes_of_openmpi(monkeypatch):
    """Its variables are none that PyTorch reads."""
    found = {}
    monkeypatch.setattr(
        torch.distributed,
        'init_process_group',
        lambda backend: found.update(os.environ, backend=backend),
    )
    for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_PORT'):
        monkeypatch.setenv(name, 'removed at the end')
        monkeypatch.delenv(name)
    for name, value in (
        ('OMPI_COMM_WORLD_RANK', '5'),
        ('OMPI_COMM_WORLD_LOCAL_RANK', '1'),
        ('OMPI_COMM_WORLD_SIZE', '8'),
        ('MASTER_ADDR', '127.0.0.1'),
    ):
        monkeypatch.setenv(name, value)
    check_launcher('mpi')
    set_local_rank('mpi')
    cfg = Config(dict(launcher='mpi'))
    start_cpu_processes(cfg)
    names = ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_PORT', 'backend')
    assert [found[n] for n in names] == ['5', '8', '1', '29500', 'gloo']
    assert cfg.model_wrapper_cfg.device_ids is None


@pytest.mark.parametrize(
    'given, port',
    [({}, 29500), (dict(PORT='29501'), 29501),
     (dict(PORT='1', MASTER_PORT='29502'), 29502)],
)  # fmt: skip
@pytest.mark.parametrize('script', ['dist_train.sh', 'dist_test.sh'])
def test_port_of_several_trainings(script, given, port, tmp_path):
    """As OpenMMLab's scripts take it."""
    python = tmp_path / 'python'
    python.write_text('#!/bin/sh\necho "$@"\n')
    python.chmod(0o755)
    known = {k: v for k, v in os.environ.items() if 'PORT' not in k}
    done = subprocess.run(
        [ROOT / 'tools' / script, 'a.py', '2', '3'],
        env={**known, **given, 'PYTHON': str(python)},
        capture_output=True,
        text=True,
    )
    assert f'--master_port={port}' in done.stdout, done
