"""What was saved is there, whatever happens meanwhile."""

import errno
import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import ROOT
from filelock import FileLock
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.fileio import (
    LocalBackend,
    get_file_backend,
    register_backend,
)
from mmengine.hooks import CheckpointHook, Hook
from mmengine.registry import METRICS
from toy_training import build_runner, train

from mmrazor_lakd import SettingError
from mmrazor_lakd.checkpoints.whole_file import write_whole
from mmrazor_lakd.engine import (
    EpochSeedHook,
    SafeCheckpointHook,
    use_safe_hooks,
)

BY_EPOCH = dict(by_epoch=True, interval=1)


def test_a_kill_at_any_point_of_saving(tmp_path):
    """With one checkpoint to keep; SIGKILL, in real processes."""
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name('kill_in_mid_save.py')]
        + [str(tmp_path)],
        env={**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [x for x in done.stdout.splitlines() if x.startswith('{')]
    found = [json.loads(line) for line in lines]
    ours, stock = (
        [point for point in found if point['hook'] == hook]
        for hook in ('SafeCheckpointHook', 'CheckpointHook')
    )
    assert len(ours) > 6 and len(stock) > 3
    saved = False
    for point in ours:
        # from the first checkpoint on there is always one
        saved |= 'iter_1.pth' in point['left']
        assert (point['start'] is not None) == saved
        assert point['alike']
        assert point['at_the_end'] == ['iter_2.pth', 'iter_2.pth.sha256']
    assert any('.unfinished' in str(point['left']) for point in ours)
    # MMEngine's loses the only one
    starts = [point['start'] for point in stock]
    assert None in starts[starts.index('iter_1.pth') :]


@METRICS.register_module()
class Rising(BaseMetric):
    """Better at each evaluation."""

    value = 0

    def process(self, data_batch, data_samples):
        self.results.append(0)

    def compute_metrics(self, results):
        Rising.value += 1
        return dict(acc=Rising.value)


def best(tmp_path, **kwargs):
    """Train with save_best; return the names of the checkpoints."""
    runner = build_runner(
        tmp_path,
        saving=dict(BY_EPOCH, save_best='acc', max_keep_ckpts=1),
        val_dataloader=dict(
            dataset=[torch.ones(4)],
            batch_size=1,
            sampler=dict(type='DefaultSampler', shuffle=False),
            collate_fn=lambda batch: dict(inputs=torch.stack(batch)),
        ),
        val_cfg=dict(),
        val_evaluator=dict(type='Rising'),
        **kwargs,
    )
    runner.train()
    return sorted(path.name for path in Path(tmp_path).glob('*.pth'))


def test_a_copied_folder_leaves_the_original_alone(tmp_path):
    constant = dict(param_scheduler=None)
    one_epoch = dict(by_epoch=True, max_epochs=1)
    names = best(tmp_path / 'a', train_cfg=one_epoch, **constant)
    assert names == ['best_acc_epoch_1.pth', 'epoch_1.pth']
    shutil.copytree(tmp_path / 'a', tmp_path / 'b')
    (tmp_path / 'b' / 'last_checkpoint').write_text('b/epoch_1.pth')
    assert best(tmp_path / 'b', resume=True, **constant) == [
        'best_acc_epoch_3.pth', 'epoch_3.pth',
    ]  # fmt: skip
    assert sorted(p.name for p in (tmp_path / 'a').glob('*.pth')) == names


def test_a_new_folder_without_a_better_one(tmp_path):
    """What is published is of this folder, and there may be none."""
    hook = SafeCheckpointHook(
        interval=1, save_best=['a', 'b'], rule='greater', published_keys=[]
    )
    hook.out_dir = str(tmp_path)
    hook.file_backend = get_file_backend(str(tmp_path))
    (tmp_path / 'best_b.pth').touch()
    hook.best_ckpt_path_dict = {
        'a': '/other/best_a.pth', 'b': '/other/best_b.pth',
    }  # fmt: skip
    hook._stay_in_folder()
    here = str(tmp_path / 'best_b.pth')
    assert hook.best_ckpt_path_dict == {'a': None, 'b': here}
    published = []
    hook.save_last, hook.last_ckpt = True, None
    hook._publish_model = lambda runner, path: published.append(path)
    hook.after_train(None)
    assert published == [here]


class Diverge(Hook):
    """Spoils a weight, or the optimizer's state, before an iteration."""

    def __init__(self, what):
        self.what = what

    def after_train_iter(self, runner, batch_idx, **kwargs):
        if runner.iter != 5:
            return
        weight = runner.model.layer.weight
        if self.what == 'weights':
            weight.data[0, 1] = float('inf')
        else:
            state = runner.optim_wrapper.optimizer.state[weight]
            state['momentum_buffer'][0, 1] = float('nan')


@pytest.mark.parametrize(
    'what, first', [('weights', 'layer.weight'), ('optimizer', 'momentum')]
)
def test_a_diverged_training_is_not_saved(tmp_path, what, first):
    saving = dict(max_keep_ckpts=1)
    sentence = f'{first}.*load_from=.*iter_3.pth'
    with pytest.raises(SettingError, match=sentence):
        train(
            tmp_path, saving=saving, hooks=[Diverge(what)],
        )  # fmt: skip
    assert [p.name for p in tmp_path.glob('*.pth')] == ['iter_3.pth']


def test_checksums_beside_checkpoints(tmp_path):
    """As sha256sum reads them; removed with their checkpoints."""
    best(tmp_path)
    names = sorted(path.name for path in tmp_path.glob('*.pth*'))
    assert names == [
        'best_acc_epoch_3.pth', 'best_acc_epoch_3.pth.sha256',
        'epoch_3.pth', 'epoch_3.pth.sha256',
    ]  # fmt: skip
    for name in names[1::2]:
        check = ['sha256sum', '-c', '--strict', name]
        assert not subprocess.run(check, cwd=tmp_path).returncode


def test_what_is_infinite_by_design_is_saved(tmp_path):
    runner = build_runner(tmp_path)
    runner.model.register_buffer('mask', torch.tensor([0, -torch.inf]))
    runner.train()
    assert (tmp_path / 'iter_12.pth').exists()
    again = build_runner(tmp_path, resume=True)
    again.model.register_buffer('mask', torch.tensor([0, -torch.inf]))
    again.train()
    assert again.iter == 12


def test_a_second_training_is_refused(tmp_path):
    """Whatever process it is of, and while that lives."""
    code = (
        'import sys, time; from filelock import FileLock; '
        'lock = FileLock(sys.argv[1]); lock.acquire(); '
        "print('held', flush=True); time.sleep(600)"
    )
    holder = subprocess.Popen(
        [sys.executable, '-c', code, str(tmp_path / 'lock')],
        stdout=subprocess.PIPE,
    )
    assert holder.stdout.readline() == b'held\n'
    with pytest.raises(SettingError, match='Another training is at work in'):
        train(tmp_path)
    assert not list(tmp_path.glob('*.pth'))
    holder.kill()
    holder.communicate()
    train(tmp_path)
    with FileLock(tmp_path / 'lock').acquire(timeout=0):  # given back
        pass
    # a folder that is not the work directory, too
    with FileLock(tmp_path / 'out' / 'x' / 'lock'):
        with pytest.raises(SettingError, match='out/x'):
            train(tmp_path / 'x', saving=dict(out_dir=str(tmp_path / 'out')))


@register_backend('elsewhere')
class Elsewhere(LocalBackend):
    """Stands for a remote one."""

    written = []

    def put(self, obj, filepath):
        self.written.append(filepath)
        super().put(obj, filepath)


def test_remote_backends_stay_as_they_are(tmp_path):
    _, runner = train(
        tmp_path,
        saving=dict(backend_args=dict(backend='elsewhere'), max_keep_ckpts=1),
    )
    assert len(Elsewhere.written) == 4
    assert [p.name for p in tmp_path.glob('*.pth')] == ['iter_12.pth']


def test_a_full_disk(tmp_path):
    path = tmp_path / 'epoch_1.pth'
    write_whole(path, b'old')
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(SettingError, match='epoch_1.pth.*could not be wr'):
            write_whole(path, bytes(5000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b'old']


def test_a_file_system_that_syncs_no_folder(tmp_path, monkeypatch):
    """Nothing is lost by that: the file itself is on disk."""
    real = os.fsync

    def fsync(number):
        if os.path.isdir(f'/proc/self/fd/{number}'):
            raise OSError(errno.EINVAL, 'Invalid argument')
        real(number)

    monkeypatch.setattr(os, 'fsync', fsync)
    write_whole(tmp_path / 'a.pth', b'new')
    assert (tmp_path / 'a.pth').read_bytes() == b'new'


@pytest.mark.parametrize(
    'kind',
    ['mmengine.hooks.CheckpointHook',
     'mmengine.hooks.checkpoint_hook.CheckpointHook',
     'mmpretrain.CheckpointHook'],
)  # fmt: skip
def test_hooks_by_their_full_path(kind):
    """As MMEngine's new style writes them."""
    own = 'mmrazor_lakd.engine.DivergenceHook'
    hooks = dict(checkpoint=dict(type=kind, interval=5))
    custom = [dict(type=own, patience=100), dict(type=EpochSeedHook)]
    cfg = Config(dict(default_hooks=hooks))
    cfg.custom_hooks = custom
    use_safe_hooks(cfg)
    assert cfg.default_hooks.checkpoint.type == 'SafeCheckpointHook'
    assert not {'divergence', 'epoch_seed'} & set(cfg.default_hooks)


def test_hooks_that_would_remove_each_others_files():
    kept = dict(type='CheckpointHook', interval=2)
    hooks = dict(checkpoint=dict(kept, max_keep_ckpts=1), mine=kept)
    with pytest.raises(SettingError, match=r"2 checkpoint .* 'epoch_{}.pth'"):
        use_safe_hooks(Config(dict(default_hooks=hooks)))
    # Neither removes anything.
    both = dict(checkpoint=dict(kept), mine=dict(kept, save_begin=9))
    use_safe_hooks(Config(dict(default_hooks=both)))
    for own in (dict(filename_tmpl='kept_{}.pth'), dict(by_epoch=False)):
        cfg = Config(dict(default_hooks={**hooks, 'mine': {**kept, **own}}))
        use_safe_hooks(cfg)
        assert cfg.default_hooks.mine.type == 'SafeCheckpointHook'


def test_the_hooks_of_a_users_config():
    plain = dict(type='CheckpointHook', interval=5, out_dir='out')
    cfg = Config(
        dict(
            default_hooks=dict(checkpoint=dict(plain)),
            custom_hooks=[
                dict(type='mmengine.CheckpointHook', by_epoch=False)
            ],
        )
    )
    use_safe_hooks(cfg)
    safe = dict(plain, type='SafeCheckpointHook')
    assert cfg.default_hooks.checkpoint == safe
    assert cfg.custom_hooks[0] == dict(
        type='SafeCheckpointHook', by_epoch=False
    )
    assert cfg.default_hooks.loading.type == 'SafeLoadingHook'
    # which --resume of what a signal has stopped in an epoch needs
    assert cfg.default_hooks.epoch_seed.type == 'EpochSeedHook'
    own = cfg.default_hooks.pop('epoch_seed')
    for hooks in (cfg.custom_hooks + [own], cfg.custom_hooks):
        cfg.custom_hooks = hooks
        use_safe_hooks(cfg)
        assert 'epoch_seed' not in cfg.default_hooks
        cfg.default_hooks.mine = own
    for hooks, expected in (
        (None, dict(type='SafeCheckpointHook', interval=1)),
        (dict(checkpoint=None), None),
        (
            dict(checkpoint=dict(type=CheckpointHook)),
            dict(type='SafeCheckpointHook'),
        ),
    ):
        cfg = Config(dict(default_hooks=hooks))
        use_safe_hooks(cfg)
        assert cfg.default_hooks.checkpoint == expected
