"""Suites and trainings on a real SLURM of one node.

start_slurm.sh starts it, and says what it needs.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pandas
import pytest
import torch
from conftest import ROOT

HERE = Path(__file__).parent
SUITE = 'tests/benchmark/tiny_suite.py'
PART = ('--seeds', 0, '--methods', 'alone', 'KD')
PROGRAMS = ('sbatch', 'slurmctld', 'slurmd', 'munged')
DONE = ': KD, seed 0, resnet20_resnet8_1xb64_digits: '
DIGITS = 'configs/teachers/resnet8_1xb64_digits.py'

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.getuid() != 0 or not all(map(shutil.which, PROGRAMS)),
        reason="needs root and Debian's slurm-wlm and munge",
    ),
]


@pytest.fixture(scope='module')
def slurm():
    """The environment in which SLURM's programs find the node."""
    given = os.environ.get('SLURM_CONF')
    conf = (
        given
        or subprocess.run(
            HERE / 'start_slurm.sh', stdout=subprocess.PIPE, text=True,
            check=True,
        ).stdout.split()[-1]
    )  # fmt: skip
    env = dict(
        os.environ,
        SLURM_CONF=conf,
        PYTHONPATH=str(ROOT),
        PYTHON=sys.executable,
        COLUMNS='160',
        OMP_NUM_THREADS='1',
    )
    yield env
    if not given:
        subprocess.run(HERE / 'stop_slurm.sh', env=env, check=True)


class Suite:
    """tools/benchmark.py with --cluster slurm, in a folder."""

    def __init__(self, folder, env, *options):
        self.folder = folder
        self.env = env
        self.command = [sys.executable, 'tools/benchmark.py', SUITE, *PART]
        self.command += ['--work-dir', folder, *options]

    def start(self):
        return subprocess.Popen(
            list(map(str, self.command)),
            cwd=ROOT,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def end(self):
        process = self.start()
        out = process.communicate(timeout=900)[0]
        return process.returncode, out

    def wait_for(self, process, pattern, seconds=300):
        """Wait for a file of a training."""
        end = time.time() + seconds
        while not list(self.folder.glob(pattern)):
            assert process.poll() is None, process.communicate()[0]
            assert time.time() < end
            time.sleep(0.1)

    def jobs(self):
        """The jobs that were handed over, each once."""
        return sorted(self.folder.glob('cluster/*_submitted.pkl'))

    def table(self):
        table = pandas.read_csv(self.folder / 'report' / 'report.csv')
        return table.drop(columns=['time', 'memory'])

    def ask(self, *command):
        return subprocess.run(
            command, env=self.env, capture_output=True, text=True, check=True
        ).stdout


@pytest.fixture(scope='module')
def local(slurm, tmp_path_factory):
    """The same suite in processes of this machine, without a cluster."""
    suite = Suite(tmp_path_factory.mktemp('local'), slurm, '--jobs', 2)
    code, out = suite.end()
    assert code == 0, out
    return suite


def check_same(suite, local):
    pandas.testing.assert_frame_equal(
        suite.table(), local.table(), check_exact=True
    )


@pytest.fixture
def suite(slurm, tmp_path):
    suite = Suite(tmp_path, slurm, '--cluster', 'slurm')
    yield suite
    suite.ask('scancel', '--name', 'tiny_suite')


def test_same_results(suite, local):
    suite.command += ['--cluster-options', 'slurm_array_parallelism=1']
    code, out = suite.end()
    assert code == 0, out
    assert '3 of 3: ' in out and DONE in out
    check_same(suite, local)
    # The teacher and `alone` are an array of one at a time.
    assert len(suite.jobs()) == 3
    scripts = (suite.folder / 'cluster').glob('*_submission.sh')
    assert any('--array=0-1%1' in script.read_text() for script in scripts)
    code, out = suite.end()
    assert code == 0 and '2 trainings, of which 2 are done' in out
    assert len(suite.jobs()) == 3


def test_the_program_is_killed_and_its_jobs_are_not(suite, local):
    process = suite.start()
    suite.wait_for(process, '*-alone-*/epoch_1.pth')
    process.kill()
    process.wait()
    handed_over = len(suite.jobs())
    # The node takes a job away, for a more urgent one: it is requeued.
    (job,) = {
        path.read_text() for path in suite.folder.glob('*-alone-*/cluster_job')
    }
    suite.ask('scancel', '--signal=USR2', job)
    code, out = suite.end()
    assert code == 0, out
    check_same(suite, local)
    # KD was handed over later, and nothing a second time.
    assert handed_over == 2 and len(suite.jobs()) == 3


def test_stopped_and_continued(suite, local):
    process = suite.start()
    suite.wait_for(process, '*/epoch_2.pth')
    process.send_signal(signal.SIGTERM)
    out = process.communicate(timeout=60)[0]
    assert 'Stopped; the same command goes on from here.' in out
    end = time.time() + 60
    while suite.ask('squeue', '--noheader') and time.time() < end:
        time.sleep(0.5)
    assert not suite.ask('squeue', '--noheader')
    code, out = suite.end()
    assert code == 0, out
    logs = [log.read_text() for log in suite.folder.glob('*/output.log')]
    assert any('resumed epoch: ' in log for log in logs)
    check_same(suite, local)


def test_job_that_is_killed(suite):
    """As by a system that has no memory left; SLURM knows its state."""
    process = suite.start()
    suite.wait_for(process, '*-alone-*/epoch_1.pth')
    (job,) = {
        path.read_text() for path in suite.folder.glob('*-alone-*/cluster_job')
    }
    log = str(suite.folder / 'cluster' / f'{job}_0_log.out')
    for path in Path('/proc').glob('[0-9]*/fd/1'):
        with suppress(OSError):
            if os.readlink(path) == log:
                os.kill(int(path.parts[2]), signal.SIGKILL)
    out = process.communicate(timeout=600)[0]
    assert process.returncode == 1, out
    assert 'alone, seed 0, resnet20_resnet8_1xb64_digits FAILED: ' in out
    assert f'the cluster ended its job {job} (FAILED)' in out
    assert DONE in out


def test_what_the_cluster_refuses(suite):
    suite.command += ['--cluster-options', 'slurm_partition=none']
    code, out = suite.end()
    assert code == 2 and 'Traceback' not in out
    assert 'error: The cluster refuses the jobs (' in out
    assert 'invalid partition specified: none' in out


def test_two_processes_of_one_training(slurm, tmp_path):
    """tools/slurm_train.sh: as dist_train.sh, bit by bit."""
    options = [
        'train_dataloader.dataset.indices=192',
        'val_dataloader.dataset.indices=64',
        'train_cfg.max_epochs=1',
    ]
    env = dict(
        slurm,
        GPUS='2',
        CPUS_PER_TASK='1',
        SRUN_ARGS='--gres=none',
        MASTER_PORT='29641',
    )
    saved = []
    for command in (
        ['tools/slurm_train.sh', 'main', 'digits', DIGITS],
        ['tools/dist_train.sh', DIGITS, '2'],
    ):
        folder = tmp_path / Path(command[0]).stem
        command += ['--work-dir', str(folder), '--cfg-options', *options]
        done = subprocess.run(
            command, cwd=ROOT, env=env, capture_output=True, text=True,
            timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        path = folder / 'epoch_1.pth'
        saved.append(torch.load(path, weights_only=False)['state_dict'])
    for name, value in saved[0].items():
        assert torch.equal(value, saved[1][name]), name
