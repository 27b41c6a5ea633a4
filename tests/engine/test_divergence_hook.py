"""Trainings that diverge: how they end, and what they say."""

from pathlib import Path

import pytest
import torch
from conftest import ROOT
from diverging_model import BAD, FINE, make_runner
from fork_server import call_tool, start_ranks
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.runner import Runner

from mmrazor_lakd import SettingError
from mmrazor_lakd.errors import DivergenceError

LAKD = 'configs/lakd/lakd_resnet20_resnet8_1xb64_digits.py'
SMALL = {
    'model.teacher_ckpt': None,
    'train_dataloader.dataset.indices': 16,
    'train_dataloader.batch_size': 8,
    'train_cfg.max_epochs': 1,
}
HEAD_WEIGHT = 'model.architecture.head.loss.loss_weight'


def train(work_dir, hook=None, without='', **options):
    """Train LAKD on digits."""
    cfg = Config.fromfile(ROOT / LAKD)
    cfg.merge_from_dict({**SMALL, **options})
    hooks = [hook for hook in cfg.custom_hooks if hook.type != without]
    # Not from_cfg, which would print the config three times, for seconds.
    runner = Runner(
        cfg.model,
        str(work_dir),
        train_dataloader=cfg.train_dataloader,
        train_cfg=cfg.train_cfg,
        optim_wrapper=cfg.optim_wrapper,
        param_scheduler=cfg.param_scheduler,
        custom_hooks=hooks,
        data_preprocessor=cfg.data_preprocessor,
        default_scope='mmpretrain',
        randomness=cfg.randomness,
        experiment_name=str(work_dir).replace('/', '_'),
    )
    if hook is not None:
        runner.register_hook(hook)
    runner.train()
    return runner


class Spoil(Hook):
    """Makes a weight NaN before the second iteration."""

    def __init__(self, role):
        self.role = role

    def after_train_iter(self, runner, batch_idx, **kwargs):
        conv = getattr(runner.model, self.role).backbone.layer2[0].conv1
        conv.weight.data[0] = BAD


@pytest.mark.parametrize(
    'hook, options, words',
    [
        (
            Spoil('teacher'),
            {},
            r"iteration 2: distill\.module2\.feature is nan.* the teacher's "
            r"'backbone\.layer2\.0\.conv1', with weights that are not.*"
            r'teacher_ckpt',
        ),
        (
            Spoil('architecture'),
            {},
            r"iteration 2: distill\.module2\.feature is nan.* the student's "
            r"'backbone\.layer2\.0\.conv1', with weights that are not.*"
            r'optimizer\.lr .*0\.018',
        ),
        (
            None,
            {HEAD_WEIGHT: BAD},
            r"iteration 1: student\.loss is nan.* the student's "
            r"'head\.loss_module'; change its loss_weight, now nan",
        ),
        (None, {'data_preprocessor.std': [0.0] * 3}, 'std'),
    ],
    ids=['teacher', 'student', 'head', 'std'],
)
def test_it_names_the_first_loss_and_module(tmp_path, hook, options, words):
    with pytest.raises(SettingError, match=words):
        train(tmp_path, hook, **options)


def test_a_weight_of_nan_is_refused_before_the_training(tmp_path):
    with pytest.raises(SettingError, match='NDAMLoss has loss_weight=nan'):
        train(tmp_path, **{'model.distiller.attention_loss.loss_weight': BAD})
    assert not list(tmp_path.glob('*.pth'))


def test_training_is_the_same_with_it_and_without(tmp_path):
    """Bit-equal weights and statistics, with accumulated gradients."""
    states = [
        train(
            tmp_path / str(without),
            without=without,
            **{'optim_wrapper.accumulative_counts': 2},
        ).model.state_dict()
        for without in (None, 'DivergenceHook')
    ]
    assert len(states[0]) > 20
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name


def test_it_ends_before_the_update(tmp_path):
    runner = make_runner(tmp_path, [BAD, FINE])
    before = runner.model.head.weight.clone()
    with pytest.raises(DivergenceError, match=r"loss is nan.*'data_preproc"):
        runner.train()
    assert torch.equal(runner.model.head.weight, before)


def test_weights_are_checked_before_they_are_saved(tmp_path):
    """An update that overflows, behind a loss that is finite."""
    wrapper = dict(optimizer=dict(type='SGD', lr=1e38))
    runner = make_runner(tmp_path, [100.0], wrapper=wrapper)
    words = r"iteration 1: its losses are finite, but 'head\.weight' is not"
    with pytest.raises(DivergenceError, match=words):
        runner.train()
    assert not list(tmp_path.glob('*.pth'))


class ScaledOptimWrapper(AmpOptimWrapper):
    """MMEngine's, which refuses to run on a CPU."""

    def __init__(self, **kwargs):
        OptimWrapper.__init__(self, **kwargs)
        self._scale_update_param = self.cast_dtype = None
        self.loss_scaler = torch.amp.GradScaler('cpu')


@pytest.mark.skipif(
    not hasattr(torch.amp, 'GradScaler'), reason='no loss scaler for CPUs'
)
@pytest.mark.parametrize(
    'values, norm, end',
    [
        ([FINE, BAD, BAD, FINE, BAD, BAD], False, None),
        ([FINE, BAD, BAD, BAD, FINE], False, 4),
        # its statistics stay NaN, whatever comes
        ([FINE, BAD, FINE], True, 2),
    ],
    ids=['skipped', 'in a row', 'statistics'],
)
def test_with_a_loss_scaler(tmp_path, values, norm, end):
    wrapper = dict(
        type=ScaledOptimWrapper, optimizer=dict(type='SGD', lr=0.01)
    )
    runner = make_runner(tmp_path, values, norm, wrapper)
    if end is None:
        runner.train()
        assert all(p.isfinite().all() for p in runner.model.parameters())
    else:
        with pytest.raises(DivergenceError, match=f'iteration {end}:'):
            runner.train()


def test_all_processes_end(tmp_path):
    """Where one has a loss that isn't finite, with the same sentence."""
    script = Path(__file__).with_name('diverging_model.py')
    sentences = []
    for process in start_ranks(script, tmp_path, port=29641):
        done = process.finish(timeout=200)
        assert done.returncode == 2, done.stderr[-3000:]
        sentences.append(done.stderr.strip().splitlines()[-1])
    assert sentences[0] == sentences[1]
    assert 'diverged at iteration 2: loss is nan' in sentences[0]


def test_the_tool_ends_and_keeps_the_last_good_checkpoint(tmp_path):
    """A learning rate of 1e6: status 2, one sentence, epochs before it."""
    options = {**SMALL, 'train_cfg.max_epochs': 9}
    options['train_dataloader.batch_size'] = 16  # epochs of one iteration
    options['default_hooks.checkpoint.interval'] = 2
    options['optim_wrapper.optimizer.lr'] = '1e6'
    done = call_tool(
        *('tools/train.py', LAKD, '--work-dir', tmp_path, '--no-validate'),
        *('--cfg-options', *(f'{k}={v}' for k, v in options.items())),
    )
    assert done.returncode == 2, done.stderr[-3000:]
    assert 'Traceback' not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith('error: The training has diverged at iteration ')
    assert 'lower optim_wrapper.optimizer.lr' in last
    checkpoint = Path((tmp_path / 'last_checkpoint').read_text())
    weights = torch.load(checkpoint, weights_only=True)['state_dict']
    assert all(value.isfinite().all() for value in weights.values())
