"""A resumed training has the settings that it was saved with, or ends."""

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from toy_training import build_runner, train

from mmrazor_lakd import SettingError
from mmrazor_lakd.engine.resumed_settings import _compare

SGD = dict(type='SGD', lr=1e-4, momentum=0.9)
COSINE = dict(type='CosineAnnealingLR', by_epoch=True, eta_min=1e-6)
BY_ITERATION = dict(COSINE, convert_to_iter_based=True)
STEPS = dict(type='MultiStepLR', milestones=[2], by_epoch=True)


def stopped(folder, schedule, **kwargs):
    """Train for one of three epochs."""
    kwargs.setdefault('saving', dict(by_epoch=True, interval=1))
    train(folder, stop=5, param_scheduler=schedule, **kwargs)


def resumed(folder, schedule, batch=3, **kwargs):
    runner = build_runner(
        folder, param_scheduler=schedule, resume=True, **kwargs
    )
    runner._train_dataloader['batch_size'] = batch
    runner.train()
    return runner


def wrapper(**optimizer):
    return dict(optim_wrapper=dict(optimizer=dict(SGD, **optimizer)))


def adam(**more):
    optimizer = dict(type='AdamW', lr=1e-4, **more)
    return dict(optim_wrapper=dict(optimizer=optimizer))


@pytest.mark.parametrize(
    ('schedule', 'settings', 'sentence'),
    [
        (COSINE, wrapper(lr=1e-5), r'has lr=1e-05 \(saved: 0.0001\), which'),
        (None, wrapper(lr=1e-5), r'has lr=1e-05 \(saved: 0.0001\), which'),
        (COSINE, wrapper(weight_decay=0.1), r'decay=0.1 \(saved: 0\), which'),
        (COSINE, wrapper(nesterov=True), r'nesterov=True \(saved: False\)'),
        (COSINE, adam(), 'of another kind .* saved one, which has no betas;'),
        (
            COSINE,
            dict(train_cfg=dict(by_epoch=True, max_epochs=6)),
            r'LR has T_max=6 \(saved: 3\), end=6 \(saved: 3\) .*, train_cfg\)',
        ),
        (STEPS, dict(schedule=[dict(STEPS, milestones=[1])]), 'milestones='),
        (STEPS, dict(schedule=[dict(STEPS, gamma=0.5)]), 'gamma=0.5 .* 0.1'),
        (STEPS, dict(schedule=[COSINE]), 'AnnealingLR is of another kind'),
        (STEPS, dict(schedule=None), '1 param_scheduler, .* has 0;'),
        (None, dict(schedule=[STEPS]), 'has no state of the param_scheduler'),
    ],
)
def test_what_would_have_no_effect(tmp_path, schedule, settings, sentence):
    stopped(tmp_path, schedule)
    with pytest.raises(SettingError, match=f'--resume=.*{sentence}'):
        resumed(tmp_path, **{'schedule': schedule, **settings})


def test_settings_of_groups_and_of_momentum(tmp_path):
    own = dict(bias_decay_mult=0.0, custom_keys={'bias': dict(lr_mult=2.0)})
    momentum = dict(type='CosineAnnealingMomentum', by_epoch=True, eta_min=0.5)
    schedule = [COSINE, momentum]

    def settings(**more):
        found = adam(weight_decay=0.1, **more)
        found['optim_wrapper']['paramwise_cfg'] = own
        return found

    stopped(tmp_path, schedule, **settings())
    assert resumed(tmp_path, schedule, **settings()).iter == 12
    stopped(tmp_path / 'eps', schedule, **settings(eps=1e-6))
    with pytest.raises(SettingError, match="optimizer's group 1 has eps="):
        resumed(tmp_path / 'eps', schedule, **settings(eps=1e-5))


@HOOKS.register_module()
class OwnSchedule(Hook):
    """Sets the learning rate as hooks of some packages do."""

    def before_train(self, runner):
        for group in runner.optim_wrapper.param_groups:
            group['initial_lr'] = group['lr']

    def before_train_epoch(self, runner):
        for group in runner.optim_wrapper.param_groups:
            group['lr'] = group['initial_lr'] / (1 + runner.epoch)


@pytest.mark.parametrize('is_ours', [True, False])
def test_a_hook_may_change_the_learning_rate(tmp_path, is_ours):
    """Also before a checkpoint of another program, which says less."""
    hooks = [dict(type='EpochSeedHook'), dict(type='OwnSchedule')]
    stopped(tmp_path, None, hooks=hooks)
    path = tmp_path / 'epoch_1.pth'
    if not is_ours:
        found = torch.load(path)
        del found['meta']['optimizer_settings']
        torch.save(found, path)
        path.with_name('epoch_1.pth.sha256').unlink()
    assert resumed(tmp_path, None, hooks=hooks).iter == 12


def test_checkpoints_of_another_program(tmp_path):
    stopped(tmp_path, COSINE)
    path = tmp_path / 'epoch_1.pth'
    found = torch.load(path)
    del found['meta']['optimizer_settings']
    torch.save(found, path)
    path.with_name('epoch_1.pth.sha256').unlink()
    with pytest.raises(SettingError, match='optimizer has lr=1e-05'):
        resumed(tmp_path, COSINE, **wrapper(lr=1e-5))
    assert resumed(tmp_path, COSINE).iter == 12


def test_values_that_are_compared_by_their_kind():
    """Arrays, and what has no equality of its own."""

    now = dict(table=[1, 2], source=object())
    names = [*now]
    state = dict(table=np.array([1, 2]), source=object())
    _compare('this', names, state, now, 'here')
    state['table'][1] = 3
    with pytest.raises(SettingError, match='table='):
        _compare('this', names, state, now, 'here')


def test_a_training_goes_on_for_longer(tmp_path):
    """With a schedule whose steps are all before its first end."""
    stopped(tmp_path, STEPS)
    longer = dict(train_cfg=dict(by_epoch=True, max_epochs=4))
    assert resumed(tmp_path, STEPS, **longer).iter == 16


def test_epochs_of_another_length(tmp_path):
    """The iteration says how much of the training is done."""
    stopped(tmp_path, STEPS)
    runner = resumed(tmp_path, STEPS, batch=4)
    assert runner.iter == runner.max_iters == 3 * 3
    rate = runner.optim_wrapper.get_lr()['lr'][0]
    assert rate == pytest.approx(1e-5)
    assert torch.load(tmp_path / 'iter_9.pth')['meta']['iter'] == 9


def test_epochs_of_another_length_with_a_count_of_iterations(tmp_path):
    stopped(tmp_path, BY_ITERATION)
    sentence = 'had 4 iterations and has 3 now, but CosineAnnealingLR counts'
    with pytest.raises(SettingError, match=sentence):
        resumed(tmp_path, BY_ITERATION, batch=4)
    # A warm-up that is over counts no more.
    warm = dict(type='LinearLR', by_epoch=True, end=1, start_factor=0.1)
    schedule = [dict(warm, convert_to_iter_based=True), dict(STEPS, begin=1)]
    stopped(tmp_path / 'warm', schedule)
    assert resumed(tmp_path / 'warm', schedule, batch=4).iter == 9
    # Nor does it matter to updates, unless one is cut in two.
    two = dict(optim_wrapper=dict(optimizer=SGD, accumulative_counts=2))
    stopped(tmp_path / 'two', STEPS, **two)
    with pytest.raises(SettingError, match='accumulative_counts counts'):
        resumed(tmp_path / 'two', STEPS, batch=4, **two)
    assert resumed(tmp_path / 'two', STEPS, batch=5, **two).iter == 6
