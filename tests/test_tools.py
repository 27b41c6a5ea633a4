"""The command line tools, as real processes on real digits."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from conftest import ROOT, classifier
from fork_server import call_tool, start_tool
from mmengine.optim import OptimWrapper
from mmpretrain.registry import MODELS

from mmrazor_lakd.cli import load_config

TEACHER = 'configs/teachers/resnet20_1xb64_digits.py'
STUDENT = 'configs/teachers/resnet8_1xb64_digits.py'
LAKD = 'configs/lakd/lakd_resnet20_resnet8_1xb64_digits.py'
# Small and quick: a few iterations, no second copy of the checkpoint.
QUICK = [
    'train_dataloader.dataset.indices=192',
    'default_hooks.checkpoint.save_best=None',
]
ENV = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT)}


def run(tool, *args):
    """Run a tool to its end; return its output."""
    done = call_tool(f'tools/{tool}', *args)
    output = done.stdout + done.stderr
    assert done.returncode == 0, output[-3000:]
    return output


def refused(tool, *args):
    """Run a tool that must refuse; return its one sentence."""
    done = call_tool(f'tools/{tool}', *args)
    assert done.returncode == 2, done.stderr[-3000:]
    assert 'Traceback' not in done.stdout + done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith('error: '), done.stderr[-3000:]
    return last


@pytest.fixture(scope='module')
def teacher(tmp_path_factory):
    """An untrained ResNet20's checkpoint, enough to be a teacher."""
    path = tmp_path_factory.mktemp('teacher') / 'teacher.pth'
    torch.manual_seed(0)
    model = MODELS.build(classifier(20))
    model.init_weights()
    torch.save(dict(state_dict=model.state_dict()), path)
    return path


def test_lakd_trains_is_killed_goes_on_and_is_tested(tmp_path, teacher):
    """SIGKILL in the middle of an epoch, --resume, tools/test.py."""
    args = [LAKD, '--work-dir', tmp_path, '--cfg-options', *QUICK]
    args += [f'model.teacher_ckpt={teacher}', 'train_cfg.max_epochs=200']
    args += ['default_hooks.logger.interval=1', 'train_cfg.val_interval=200']
    args += ['param_scheduler=None']  # a schedule would go on for 200 epochs
    process = start_tool('tools/train.py', *args)
    deadline = time.time() + 200
    while not (tmp_path / 'epoch_2.pth').exists():
        assert process.is_running(), process.finish().stderr[-3000:]
        assert time.time() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    output = process.finish().stdout
    for name in ('module1', 'module2'):
        assert re.search(rf'distill\.{name}\.feature: \d', output)
        assert re.search(rf'distill\.{name}\.attention: \d', output)
    saved = int((tmp_path / 'last_checkpoint').read_text()[:-4].split('_')[-1])

    args[args.index('train_cfg.max_epochs=200')] = (
        f'train_cfg.max_epochs={saved + 1}'
    )
    output = run('train.py', *args, '--resume')
    assert f'resumed epoch: {saved}, iter: {saved * 3}' in output
    assert f'Epoch(train) [{saved + 1}][3/3]'.replace(' ', '') in (
        output.replace(' ', '')
    )
    assert 'Epoch(train)[1]' not in output.replace(' ', '')

    out = tmp_path / 'metrics.json'
    checkpoint = tmp_path / f'epoch_{saved + 1}.pth'
    # protected: nothing but weights, MMEngine's history and plain values
    torch.load(checkpoint, weights_only=True)
    arguments = [LAKD, checkpoint, '--work-dir', tmp_path / 'test']
    # no teacher's file is needed to test the student
    arguments += ['--cfg-options', 'model.teacher_ckpt=gone.pth']
    output = run('test.py', *arguments, '--out', out, '--out-item', 'metrics')
    accuracy = json.loads(out.read_text())['accuracy/top1']
    assert f'accuracy/top1: {accuracy:.4f}' in output


def test_a_config_without_our_hooks_is_stopped_and_goes_on(tmp_path):
    """As users' configs are; within an epoch, and with a seed of its own."""
    settings = [*QUICK, 'custom_hooks=[]', 'randomness.seed=None']
    settings += ['train_cfg.max_epochs=1', 'default_hooks.logger.interval=1']
    settings += ['train_dataloader.batch_size=1']
    args = [STUDENT, '--work-dir', tmp_path, '--cfg-options', *settings]
    process = start_tool('tools/train.py', *args)
    deadline = time.time() + 200
    while not list(tmp_path.glob('*/vis_data/scalars.json')):
        assert process.is_running(), process.finish().stderr[-3000:]
        assert time.time() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    done = process.finish()
    (path,) = tmp_path.glob('stopped_iter_*.pth')
    number = int(path.stem.split('_')[-1])
    assert done.returncode == 130 and 0 < number < 192
    output = run('train.py', *args, '--resume')
    assert f'Epoch 1 goes on after {number} of its 192' in output
    assert (tmp_path / 'epoch_1.pth').exists()


def test_an_empty_folder_is_resumed_from_load_from(tmp_path, teacher):
    args = [TEACHER, '--work-dir', tmp_path / 'new', '--resume']
    args += ['--cfg-options', *QUICK, 'train_cfg.max_epochs=1']
    output = run('train.py', *args, f'load_from={teacher}')
    assert f"the training starts from load_from='{teacher}'" in output
    assert 'Loads checkpoint' in output and (tmp_path / 'new').is_dir()
    output = run('train.py', *args, f'load_from={teacher}')
    assert 'starts from load_from' not in output
    assert 'resumed epoch: 1' in output


@pytest.mark.parametrize(
    ('scope', 'collate'),
    [('mmpretrain', dict(type='default_collate')), ('mmdet', None)],
)
def test_images_are_stacked_for_classifiers_alone(tmp_path, scope, collate):
    """Detectors' differ in size, so that MMEngine's own default stays."""
    path = tmp_path / 'config.py'
    path.write_text(
        f'default_scope = {scope!r}\ntrain_dataloader = dict(batch_size=2)\n'
    )
    assert load_config(str(path)).train_dataloader.get('collate_fn') == collate


def test_training_without_gpu_gives_no_notice(tmp_path):
    done = subprocess.run(
        [sys.executable, 'tools/train.py', STUDENT, '--work-dir', tmp_path]
        + ['--amp', '--cfg-options', *QUICK, 'train_cfg.max_epochs=1']
        + ['optim_wrapper.type=OptimWrapper', 'val_dataloader.num_workers=0']
        + ['val_dataloader.persistent_workers=True'],
        cwd=ROOT,
        env=ENV,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert 'Epoch(val)' in done.stdout
    assert not [x for x in done.stdout.splitlines() if 'warn' in x.lower()]


@pytest.mark.parametrize(
    'kind', [None, 'OptimWrapper', 'mmengine.OptimWrapper', OptimWrapper]
)
def test_amp_with_and_without_a_type(kind):
    from mmengine.config import Config

    from mmrazor_lakd.cli import set_mixed_precision

    cfg = Config(dict(optim_wrapper=dict(optimizer=dict(type='SGD'))))
    if kind is not None:
        cfg.optim_wrapper.type = kind
    set_mixed_precision(cfg)
    # AmpOptimWrapper where there is a GPU
    assert cfg.optim_wrapper.type == 'Bfloat16OptimWrapper'


def test_two_processes(tmp_path, teacher):
    """dist_train.sh and dist_test.sh on torchrun, with gloo."""
    env = {**ENV, 'PYTHON': sys.executable, 'MASTER_PORT': '29611'}
    options = [*QUICK, f'model.teacher_ckpt={teacher}']
    options += ['train_cfg.max_epochs=1', 'train_cfg.val_interval=2']
    for script, *args in (
        ('train', LAKD, 2),
        ('test', LAKD, tmp_path / 'epoch_1.pth', 2),
    ):
        done = subprocess.run(
            [f'tools/dist_{script}.sh', *map(str, args)]
            + ['--work-dir', str(tmp_path), '--cfg-options', *options],
            cwd=ROOT,
            env=env,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        assert 'accuracy/top1' in done.stdout


def test_refusals(tmp_path, teacher):
    """One sentence, status 2, no traceback; before the first iteration."""
    assert "no config 'configs/lakd/lakd_digits.py'; the nearest" in refused(
        'train.py', 'configs/lakd/lakd_digits.py'
    )
    common = [LAKD, '--work-dir', tmp_path, '--cfg-options']
    assert "teacher_ckpt='gone.pth' does not exist" in refused(
        'train.py', *common, 'model.teacher_ckpt=gone.pth'
    )
    heads = [
        f'model.{role}.head.num_classes=7'
        for role in ('architecture', 'teacher')
    ]
    assert 'The teacher has 10 classes and the student 7' in refused(
        'train.py', *common, heads[0], 'model.teacher_ckpt=None'
    )
    assert 'num_classes is 7, but the data set Digits has 10' in refused(
        'train.py', *common, *heads, 'model.teacher_ckpt=None'
    )
    assert 'another architecture' in refused(
        'test.py', STUDENT, teacher, '--work-dir', tmp_path
    )
    assert 'has no effect: trainings run in MMEngine' in refused(
        'train.py', *common, 'runner_type=FlexibleRunner'
    )


def test_help_names_every_option():
    help_text = call_tool('tools/train.py', '--help').stdout
    for option in (
        '--work-dir', '--resume', '--amp', '--no-validate',
        '--auto-scale-lr', '--cfg-options', '--launcher',
    ):  # fmt: skip
        assert option in help_text
    assert Path(ROOT / 'tools/dist_train.sh').stat().st_mode & 0o100
