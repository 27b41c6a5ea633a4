"""Processes of one training that lose another one, or their launcher."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import ROOT
from fork_server import start_ranks

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
