"""Much at once: trainings that share a machine, and a suite of many."""

import os
import pty
import subprocess
import threading
import time
from pathlib import Path

import pytest
import torch
from processes_watched import assert_flat, held, start

HERE = Path(__file__).parent
TRAININGS = 201  # with that of the teacher
LAKD = 'configs/lakd/lakd_resnet20_resnet8_1xb64_digits.py'

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not Path('/proc/self/status').is_file(),
        reason='reads what a process holds from /proc',
    ),
]


def test_eight_trainings_at_once(tmp_path):
    """Each with its own folder, over one data set; all end the same."""
    folders = [tmp_path / str(number) for number in range(8)]
    processes = [
        start(
            'tools/train.py', LAKD, '--work-dir', folder,
            '--cfg-options', 'train_cfg.max_epochs=2',
            'randomness.seed=0', 'model.teacher_ckpt=None',
            stdout=subprocess.DEVNULL,
        )
        for folder in folders
    ]  # fmt: skip
    assert [process.wait() for process in processes] == [0] * 8
    weights = [
        torch.load(folder / 'epoch_2.pth', weights_only=False)['state_dict']
        for folder in folders
    ]
    for other in weights[1:]:
        assert other.keys() == weights[0].keys()
        for name, value in other.items():
            assert torch.equal(value, weights[0][name]), name


def test_two_hundred_trainings(tmp_path):
    """A suite of them, on a terminal whose view keeps moving."""
    terminal, its_end = pty.openpty()
    process = start(
        'tools/benchmark.py', HERE / 'load_suite.py', '--jobs', 2,
        '--work-dir', tmp_path,
        stdout=its_end, stderr=its_end,
    )  # fmt: skip
    os.close(its_end)
    drawn, text = [], bytearray()

    def read():
        while True:
            try:
                text.extend(os.read(terminal, 65536))
            except OSError:  # the process has ended
                return
            drawn.append(time.monotonic())

    reader = threading.Thread(target=read)
    reader.start()
    samples, first, last = [], None, None
    while process.poll() is None:
        now = held(process.pid)
        done = len(list(tmp_path.glob('*-seed*/output.log')))
        if now and 0 < done:
            first = first or time.monotonic()
            last = time.monotonic() if done < TRAININGS else last
            samples.append(now)
        time.sleep(1)
    reader.join()
    assert process.returncode == 0, text[-2000:].decode(errors='replace')
    results = (tmp_path / 'report' / 'results.jsonl').read_text()
    assert len(results.splitlines()) == TRAININGS
    moments = [moment for moment in drawn if first <= moment <= last]
    longest = max(b - a for a, b in zip(moments, moments[1:]))
    print(f'the longest pause of the view: {longest:.1f} s')
    assert longest < 10
    # The report's figures come after the trainings.
    watched = samples[: round(len(samples) * 0.95)]
    assert_flat(watched, mib=20)
