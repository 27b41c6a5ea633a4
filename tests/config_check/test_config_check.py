"""The check of configs refuses nothing that MMEngine would build."""

from pathlib import Path

import mmpretrain
import mmrazor
import pytest
from conftest import ROOT
from mmengine.config import Config

from mmrazor_lakd.config_check.compiled import check_compile
from mmrazor_lakd.config_check.epoch_counts import check_saving
from mmrazor_lakd.config_check.names import (
    check_names,
    check_paramwise,
    check_section_entries,
)
from mmrazor_lakd.config_check.registered import check_parts
from mmrazor_lakd.config_check.values import check_values
from mmrazor_lakd.errors import SettingError

OURS = sorted((ROOT / 'configs').glob('*/*.py'))
OTHERS = [
    path
    for package in (mmpretrain, mmrazor)
    for path in sorted(
        Path(package.__file__).parent.glob('.mim/configs/**/*.py')
    )
    if '_base_' not in path.parts
]
# What MMEngine doesn't build here either.
KNOWN = (
    # mmpretrain's extra for several modalities is not installed
    "is no registered dataset of mmpretrain's",
    # mmpretrain's BLIP sets it for a loop by iterations
    'train_cfg.max_epochs is no argument of IterBasedTrainLoop',
    # MMRazor's CRD config is of an older mmpretrain
    'crd_cifar10_bs16.py',
    "_scope_='mmseg' is no package that is installed",
    # mmpretrain's BLIP leaves it open how to count, that of another chip has
    # MMCV's mixed precision
    'add by_epoch=True',
    'vit-base-p16_4xb544-ipu_in1k.py',
)


def refused(paths):
    """List the configs that can be read and are refused."""
    found = []
    for path in paths:
        if path.parts[-2] in ('_base_', 'benchmark'):
            continue
        try:
            cfg = Config.fromfile(path)
        except Exception:  # of a package that is not here, or broken
            continue
        if 'train_dataloader' not in cfg and 'test_dataloader' not in cfg:
            continue  # a network alone
        try:
            check_names(cfg, cfg.text)
            check_names(cfg, '')  # as a dumped one, with no variable in use
            check_values(cfg)
            check_section_entries(cfg)
            check_paramwise(cfg)
            check_parts(cfg, cfg.get('default_scope') or 'mmengine')
            check_saving(cfg)
        except Exception as error:
            found.append(f'{path.name}: {error}')
    return [line for line in found if not any(k in line for k in KNOWN)]


@pytest.mark.parametrize(
    'paths',
    [
        OURS[::6],
        pytest.param(OURS, marks=pytest.mark.slow),
        pytest.param(OTHERS, marks=pytest.mark.slow),
    ],
    ids=['some of ours', 'ours', "mmpretrain's and mmrazor's"],
)
def test_no_false_alarm(paths):
    assert len(paths) > 20
    assert refused(paths) == []


@pytest.mark.parametrize(
    'value, is_refused',
    [(True, True), ({}, True), (dict(mode='default'), True), (False, False)],
)
def test_compiled_step(value, is_refused):
    """Of a distillation, in one process or in several."""
    for kind in ('FrozenTeacherDistill', 'mmrazor.FrozenTeacherDistill'):
        cfg = dict(model=dict(type=kind), compile=value)
        if is_refused:
            with pytest.raises(SettingError, match='leave compile out'):
                check_compile(cfg)
        else:
            check_compile(cfg)
    check_compile(dict(model=dict(type='ImageClassifier'), compile=value))


@pytest.mark.parametrize(
    ('settings', 'refused'),
    [
        # as in a dumped config, where the text has no use of a variable
        (dict(test_pipeline=[1], test_dataloader=dict(pipeline=[1])), None),
        (dict(seed=3, randomness=dict(seed=3)), None),
        (dict(optimizer=dict(lr=1), optim_wrapper=dict(o=dict(lr=1))), None),
        (dict(visualiser=Config), None),  # a class that a base imports
        (dict(my_train_dataloader=dict(batch_size=1)), None),
        (dict(val_evaluator=[1], test_evaluater=[1]), "'test_evaluator'"),
        (dict(seed=3), 'randomness.seed'),
        (dict(fp16=dict(loss_scale=512.0)), 'AmpOptimWrapper'),
    ],
)
def test_names_without_a_use(settings, refused):
    if refused is None:
        check_names(settings, '')
    else:
        with pytest.raises(SettingError, match=refused):
            check_names(settings, '')


def test_entries_of_parameter_groups():
    """What isn't a misspelt factor goes to the optimizer."""
    keys = dict(head=dict(lr_mult=0.1, betas=(0.9, 0.98), fix_lr=True))
    wrapper = dict(paramwise_cfg=dict(custom_keys=keys))
    check_paramwise(dict(optim_wrapper=wrapper))
    keys['head']['lr_mul'] = 1.0
    with pytest.raises(SettingError, match="'lr_mult'"):
        check_paramwise(dict(optim_wrapper=wrapper))


@pytest.mark.parametrize('by_epoch', [True, False])
def test_what_saves_in_a_training_by_iterations(by_epoch):
    best = dict(type='CheckpointHook', interval=1, save_best='auto')
    hooks = dict(checkpoint=dict(best, by_epoch=by_epoch))
    loop = dict(by_epoch=False, max_iters=9)
    cfg = dict(train_cfg=loop, default_hooks=hooks, custom_hooks=[best])
    if by_epoch:
        with pytest.raises(SettingError, match='default_hooks.checkpoint'):
            check_saving(cfg)
    else:
        check_saving(cfg)
    check_saving(dict(cfg, train_cfg=dict(by_epoch=True, max_epochs=9)))
