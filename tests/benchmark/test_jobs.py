"""Configs as they are written on the command line."""

import argparse
from pathlib import Path

import pytest
from conftest import ROOT

from mmrazor_lakd import SettingError
from mmrazor_lakd.benchmark.cost.jobs import (
    Job,
    check_jobs,
    find_reference,
    make_settings,
    parse_job,
)
from mmrazor_lakd.benchmark.cost.measure import count_settling

KD = str(ROOT / 'configs/kd/kd_resnet20_resnet8_1xb64_digits.py')


def arguments(**others):
    """What the tool parses, as far as a job needs it."""
    defaults = dict(
        cfg_options=None,
        out=Path('out'),
        batch_size=None,
        synthetic_data=False,
        image_size=None,
        rounds=1,
        steps=1,
        warmup=1,
    )
    return argparse.Namespace(**{**defaults, **others})


@pytest.mark.parametrize(
    'text, expected',
    [
        ('a/b.py', Job('b', 'a/b.py', [])),
        ('a/b.py,label=my own', Job('my own', 'a/b.py', [])),
        (
            'a/b.py,model.x=[1,2],y=(3,4),z.w=None',
            Job(
                'b,model.x=[1,2],y=(3,4),z.w=None',
                'a/b.py',
                ['model.x=[1,2]', 'y=(3,4)', 'z.w=None'],
            ),
        ),
        ('a/b.py,x=1,label=c,y=2', Job('c', 'a/b.py', ['x=1', 'y=2'])),
    ],
)
def test_parsing(text, expected):
    assert parse_job(text) == expected


def test_own_options_win_over_the_common_ones():
    job = parse_job(f'{KD},model.teacher_ckpt=None,train_cfg.max_epochs=3')
    common = {
        'train_cfg.max_epochs': 2,
        'model.architecture.backbone.depth': 14,
    }
    settings = make_settings(arguments(cfg_options=common), job)
    cfg = settings.load()
    assert cfg.train_cfg.max_epochs == 3
    assert cfg.model.architecture.backbone.depth == 14
    assert cfg.model.teacher_ckpt is None
    plain = make_settings(arguments(), parse_job(KD))
    assert plain.load().train_cfg.max_epochs == 15


def test_reference():
    jobs = [parse_job('a.py'), parse_job('b.py'), parse_job('c.py,label=1')]
    assert find_reference('b', jobs) is jobs[1]
    assert find_reference('3', jobs) is jobs[2]
    # a label goes before a number
    assert find_reference('1', jobs) is jobs[2]
    with pytest.raises(SettingError, match='from 1 to 3; the nearest .* b'):
        find_reference('bb', jobs)


def test_refusals():
    with pytest.raises(SettingError, match='no config .*the nearest ones'):
        check_jobs(arguments(), [parse_job(KD.replace('_1xb64', ''))])
    with pytest.raises(SettingError, match='called .*kd_resnet20.*label=NAME'):
        check_jobs(arguments(), [parse_job(KD), parse_job(KD)])
    check_jobs(arguments(), [parse_job(KD), parse_job(f'{KD},label=b')])


def test_settling_is_what_the_workers_have_made_meanwhile():
    assert count_settling(dict(num_workers=0)) == 1
    assert count_settling(dict(num_workers=3)) == 6
    assert count_settling(dict(num_workers=3, prefetch_factor=4)) == 12
