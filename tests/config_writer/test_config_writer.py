"""Configs that the command writes, wherever they are to lie.

tests/test_configs.py writes and reads all of them.
"""

import os
import resource
import subprocess
import sys

import pytest
from conftest import ROOT
from fork_server import call_tool
from mmengine.config import Config

from mmrazor_lakd import SettingError
from mmrazor_lakd.config_writer import (
    choose,
    config_path,
    config_text,
    find_choice,
    write_config,
    write_text,
)

CONFIGS = ROOT / 'configs'
PAIR = 'vgg13_vgg8_1xb64_cifar100'
TOOL = ROOT / 'tools' / 'make_config.py'


def test_a_config_is_whole_or_the_old_one(tmp_path):
    """As on a disk that is full while the new one is written."""
    path = tmp_path / 'mine.py'
    write_text('a = 1\n', path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(SettingError, match='mine.py.* could not be writ'):
            write_text('a = 2\n' * 1000, path, overwrite=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [file.read_text() for file in tmp_path.iterdir()] == ['a = 1\n']


def test_a_config_is_what_a_person_would_write():
    choice = choose(CONFIGS, 'lakd', PAIR)
    assert config_text(choice, CONFIGS / 'lakd').splitlines() == [
        '_base_ = [',
        "    '../_base_/pairs/vgg13_vgg8_1xb64_cifar100.py',",
        "    '../_base_/distillers/lakd.py',",
        ']',
        '',
        '_base_.lakd_distiller.update(_base_.method_settings.dkd_distiller)',
        'model = dict(distiller=_base_.lakd_distiller)',
    ]


def test_the_command_writes_anywhere_and_replaces_nothing(tmp_path):
    (tmp_path / 'link').symlink_to(tmp_path / 'a', target_is_directory=True)
    (tmp_path / 'a').mkdir()
    args = ('--method', 'ofd', '--pair', PAIR, '--out', 'link/mine.py')
    done = subprocess.run(
        [sys.executable, TOOL, *args],
        cwd=tmp_path,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert done.returncode == 0
    last = done.stdout.splitlines()[-1]
    assert last == 'python tools/train.py link/mine.py'
    mine = tmp_path / 'a' / 'mine.py'
    cfg = Config.fromfile(mine)
    assert cfg.model.distiller.distill_losses.loss_ofd.loss_weight == 1.0
    done = call_tool(TOOL, *args, cwd=tmp_path)
    assert done.returncode == 0  # the same text
    mine.write_text('changed = True\n')
    done = call_tool(TOOL, *args, cwd=tmp_path)
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 2 and 'add --overwrite to replace it' in last
    assert mine.read_text() == 'changed = True\n'
    done = call_tool(TOOL, *args, '--overwrite', cwd=tmp_path)
    assert done.returncode == 0
    assert Config.fromfile(mine).model == cfg.model


@pytest.mark.parametrize(
    ('method', 'pair', 'out', 'message'),
    [
        ('reviewdk', PAIR, 'a.py', "no method 'reviewdk'; .*: reviewkd"),
        ('kd', 'vgg13_vgg8', 'a.py', "no pair 'vgg13_vgg8'; .* are: vgg13_"),
        ('kd', PAIR, 'a.yml', "--out is '.*a.yml'; add the ending"),
    ],
)
def test_refusals(tmp_path, method, pair, out, message):
    with pytest.raises(SettingError, match=message):
        write_config(choose(CONFIGS, method, pair), tmp_path / out)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('method', ['alone', 'kd', 'lakd', 'lakd_literal'])
def test_a_path_says_method_and_pair(method):
    path = config_path(CONFIGS, method, PAIR)
    assert find_choice(CONFIGS, path) == (method, PAIR)
    assert find_choice(CONFIGS, path.with_name('kd_mine.py')) is None
