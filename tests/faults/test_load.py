"""For long: what a process holds stays the same."""

import json
import subprocess
import time
from pathlib import Path

import pytest
import torch
from processes_watched import Held, assert_flat, held, start

HERE = Path(__file__).parent
LAKD = 'configs/lakd/lakd_resnet20_resnet8_1xb64_digits.py'

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not Path('/proc/self/status').is_file(),
        reason='reads what a process holds from /proc',
    ),
]


def test_a_thousand_models(tmp_path):
    """Built, trained for a step and dropped, of five kinds."""
    process = start(
        HERE / 'many_models.py', tmp_path, stdout=subprocess.PIPE, text=True
    )
    lines = [line for line in process.stdout if line.startswith('[')]
    assert process.wait() == 0
    samples = [json.loads(line) for line in lines]
    assert len(samples) == 100
    assert_flat([Held(*sample[:3]) for sample in samples], mib=20)
    tensors = [sample[3] for sample in samples]
    assert tensors[-1] <= tensors[20]


def test_twenty_thousand_steps(tmp_path):
    """A training of 870 epochs, which saves and evaluates as it goes.

    Of two images a step and a teacher as small as the student: it is the
    number of steps that counts.
    """
    process = start(
        'tools/train.py', LAKD, '--work-dir', tmp_path,
        '--cfg-options', 'train_cfg.max_epochs=870',
        'train_cfg.val_interval=30', 'default_hooks.checkpoint.interval=10',
        'train_dataloader.dataset.indices=46',
        'train_dataloader.batch_size=2',
        'model.teacher.backbone.depth=8', 'model.teacher_ckpt=None',
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    samples = []
    while process.poll() is None:
        now = held(process.pid)
        if now and list(tmp_path.glob('epoch_*.pth')):  # it trains
            samples.append(now)
        time.sleep(1)
    assert process.returncode == 0
    last = torch.load(tmp_path / 'epoch_870.pth', weights_only=False)
    assert last['meta']['iter'] == 20010
    assert_flat(samples, mib=20)
