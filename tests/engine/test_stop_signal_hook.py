"""SIGTERM and Ctrl-C save a training; a missed validation is made up for."""

import multiprocessing
import os
import signal
import subprocess
import time

import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.registry import METRICS
from toy_training import Stop, stack
from toy_training import train as train_toy

HOOKS = [
    {'type': 'EpochSeedHook'},
    {'type': 'StopSignalHook'},
    {'type': 'MissedValidationHook'},
]


@METRICS.register_module()
class Same(BaseMetric):
    """The same accuracy at each evaluation."""

    def process(self, data_batch, data_samples):
        self.results.append(0)

    def compute_metrics(self, results):
        return dict(acc=1)


class At(Hook):
    """Does something before an iteration, of training or validation."""

    def __init__(self, do, iteration, validates=False):
        self.do = do
        self.iteration = iteration
        self.validates = validates
        self.validated = []

    def before_train_iter(self, runner, *args, **kwargs):
        if not self.validates and runner.iter == self.iteration:
            self.do()

    def before_val_iter(self, runner, batch_idx, data_batch=None):
        self.validated.append((runner.iter, batch_idx))
        if self.validates and self.validated[-1] == (self.iteration, 0):
            self.do()


def send(*numbers):
    """Send signals to this process."""
    for number in numbers:
        os.kill(os.getpid(), number)


def train(folder, do=None, iteration=5, validates=False, **kwargs):
    """Train 3 epochs of 4 iterations, each saved and validated."""
    at = At(do, iteration if do else -1, validates)
    weights, runner = train_toy(
        folder,
        saving=dict(by_epoch=True, interval=1, save_best='acc'),
        hooks=[*HOOKS, at],
        param_scheduler=dict(
            type='ReduceOnPlateauLR', monitor='acc', patience=0
        ),
        val_dataloader=dict(
            dataset=[torch.ones(4)] * 2,
            batch_size=1,
            sampler=dict(type='DefaultSampler', shuffle=False),
            collate_fn=stack,
        ),
        val_cfg=dict(),
        val_evaluator=dict(type='Same'),
        **kwargs,
    )
    return weights, at.validated, runner.optim_wrapper.get_lr()


@pytest.fixture(scope='module')
def unbroken(tmp_path_factory):
    return train(tmp_path_factory.mktemp('unbroken'))


def names(folder):
    return {path.name for path in folder.glob('*.pth')}


WORKERS = dict(num_workers=2, persistent_workers=True)
EPOCHS = ['best_acc_epoch_1.pth', 'epoch_1.pth', 'epoch_2.pth', 'epoch_3.pth']


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_the_iteration_is_finished_and_saved(
    tmp_path, unbroken, capfd, number
):
    before = signal.getsignal(number)
    with pytest.raises(SystemExit) as stop:
        # a launcher passes on what a terminal has sent to all already
        train(tmp_path, lambda: send(number, number))
    signal.signal(number, before)
    assert stop.value.code == 128 + number
    assert names(tmp_path) == {*EPOCHS[:2], 'stopped_iter_6.pth'}
    name = signal.Signals(number).name
    assert capfd.readouterr().err.endswith(
        f'The training was stopped by {name} after iteration 6 of 12, and it '
        f"is saved in '{tmp_path}/stopped_iter_6.pth', from which --resume "
        f'goes on.\n'
    )
    weights, _, rate = train(tmp_path, resume=True)
    assert torch.equal(weights, unbroken[0]) and rate == unbroken[2]
    assert signal.getsignal(number) is before
    assert names(tmp_path) == set(EPOCHS)  # it is not needed any more


@pytest.fixture(autouse=True)
def handlers():
    """Python's own, also where SIGINT is ignored: behind a script's `&`."""
    before = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_second_signal_ends_it_at_once(tmp_path):
    def press():
        send(signal.SIGINT)
        time.sleep(1.1)
        send(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, press)
    assert names(tmp_path) == set(EPOCHS[:2])


def test_workers_outlive_the_signal(tmp_path, unbroken):
    """Which a terminal and a cluster send to them too."""
    others = multiprocessing.active_children()  # of tests before

    def send_all():
        workers = multiprocessing.active_children()
        workers = [one for one in workers if one not in others]
        assert len(workers) == 2
        for number in ('INT', 'TERM'):
            pids = [str(worker.pid) for worker in workers]
            subprocess.run(['kill', f'-{number}', *pids], check=True)
        time.sleep(0.5)
        send(signal.SIGTERM)

    with pytest.raises(SystemExit):
        train(tmp_path, send_all, loader=WORKERS)
    assert 'stopped_iter_6.pth' in names(tmp_path)
    # but they don't outlive the training
    for worker in multiprocessing.active_children():
        worker.terminate()
        worker.join(60)
        assert worker.exitcode is not None
    weights, *_ = train(tmp_path, resume=True)
    assert torch.equal(weights, unbroken[0])


def die():
    raise Stop


@pytest.mark.parametrize('saved', [True, False])
def test_a_validation_that_was_cut_short(tmp_path, unbroken, saved):
    """By a kill, or by a signal that finds everything saved."""
    if saved:
        with pytest.raises(SystemExit):
            train(tmp_path, lambda: send(signal.SIGTERM), 8, True)
    else:
        train(tmp_path, die, 8, True)
    assert names(tmp_path) == set(EPOCHS[:3])
    weights, validated, rate = train(tmp_path, resume=True)
    assert validated == [(8, 0), (8, 1), (12, 0), (12, 1)]
    assert torch.equal(weights, unbroken[0]) and rate == unbroken[2]
    # the last one, too, and no validation twice
    assert train(tmp_path / 'last', die, 12, True)[1][-1] == (12, 0)
    _, validated, rate = train(tmp_path / 'last', resume=True)
    assert validated == [(12, 0), (12, 1)] and rate == unbroken[2]
    first = str(tmp_path / 'epoch_1.pth')  # saved again as the best one
    _, validated, _ = train(tmp_path / 'x', resume=True, load_from=first)
    assert validated[0] == (8, 0)


def test_the_best_one_after_a_validation_that_was_cut_short(tmp_path):
    """It is saved in the checkpoint that was resumed, as without a kill."""
    train(tmp_path, die, 4, True)
    train(tmp_path, die, 5, resume=True)
    assert names(tmp_path) == set(EPOCHS[:2])
    saved = torch.load(tmp_path / 'epoch_1.pth', weights_only=False)
    assert saved['message_hub']['runtime_info']['best_score'] == 1
