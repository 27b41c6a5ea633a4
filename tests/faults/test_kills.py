"""Trainings killed at random moments, and resumed, end as if they weren't.

Real processes of tools/train.py get real signals. ``FAULTS_SEED`` (0 by
default) makes another campaign, ``FAULTS_KILLS`` (30) a longer one.
"""

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from typing import List, Tuple

import pytest
import torch
from attempts import Attempt, Kill
from conftest import ROOT
from fork_server import start_tool
from killed_trainings import (
    ITERATIONS,
    TRAININGS,
    differences,
    write_config,
    write_teacher,
)

from mmrazor_lakd.engine.resume import find_start

SEED = int(os.environ.get('FAULTS_SEED', 0))
KILLS = int(os.environ.get('FAULTS_KILLS', 30))
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
# What is waited for before a kill.
EVENTS = ('step', 'validation', 'save', 'write', 'start')
pytestmark = pytest.mark.slow


def draw_campaign(seed: int, kills: int) -> List[Tuple[str, List[Kill]]]:
    """Draw trainings, each with one to three kills; each kind in turn."""
    chance = random.Random(seed)
    campaign = []
    done = 0
    while done < kills:
        count = min(chance.choice((1, 1, 2, 3)), kills - done)
        drawn = [
            draw_kill(chance, done + place, first=not place)
            for place in range(count)
        ]
        name = list(TRAININGS)[len(campaign) % len(TRAININGS)]
        campaign.append((name, drawn))
        done += count
    return campaign


def draw_kill(chance: random.Random, turn: int, first: bool) -> Kill:
    """Draw a kill; one after another comes soon, while there is a rest."""
    event = EVENTS[turn % 5]
    most, delay = dict(
        step=(30 if first else 4, 0.1),
        validation=(14 if first else 2, 0.03),
        save=(2 if first else 1, 0.05),
        write=(4 if first else 1, 0.004),
        start=(1, 1.0),
    )[event]
    return Kill(
        chance.choice(SIGNALS),
        event,
        chance.randint(1, most),
        chance.uniform(0, delay),
        chance.random() < 0.5,
    )


CAMPAIGN = draw_campaign(SEED, KILLS)
RESULTS: Counter = Counter()


@pytest.fixture(scope='module')
def unbroken(tmp_path_factory):
    """Give a training's config, and the folder of an unbroken one."""
    root = tmp_path_factory.mktemp('unbroken')
    write_teacher(root / 'teacher.pth')
    start_tool('tools/train.py', '--help').finish()  # the server has started

    def train(name):
        config, folder = root / f'{name}.py', root / name
        if not folder.exists():
            write_config(TRAININGS[name], root / 'teacher.pth', config)
            attempt = Attempt(name, config, folder)
            for done in attempt.finish():
                assert not done.returncode, done.stdout + done.stderr
        return config, folder

    return train


@pytest.fixture(scope='module', autouse=True)
def _report(request):
    """Say at the end what was killed, and where."""
    yield
    plugins = request.config.pluginmanager
    terminal = plugins.getplugin('terminalreporter')
    capture = plugins.getplugin('capturemanager')
    with capture.global_and_fixture_disabled():
        terminal.write_line(f'\nFAULTS_SEED={SEED}:')
        for (what, name), count in sorted(RESULTS.items()):
            terminal.write_line(f'{count:4} {what} {name}')


@pytest.mark.parametrize(
    'number', range(len(CAMPAIGN)),
    ids=[
        f'{name}-{"-".join(map(str, kills))}' for name, kills in CAMPAIGN
    ],
)  # fmt: skip
def test_killed_and_resumed_equals_unbroken(number, unbroken, tmp_path):
    name, kills = CAMPAIGN[number]
    config, expected = unbroken(name)
    folder = tmp_path / 'killed'
    struck = 0
    for kill in kills:
        attempt = Attempt(name, config, folder)
        if not attempt.wait_for(kill):
            RESULTS['came too late:', str(kill)] += 1
            break
        place = attempt.kill(kill)
        RESULTS['in or at', place] += 1
        RESULTS['signals', signal.Signals(kill.number).name] += 1
        struck += 1
        check_end(attempt, kill, place)
    for done in Attempt(name, config, folder).finish():
        assert not done.returncode, (done.stdout + done.stderr)[-3000:]
    assert not list(differences(folder, expected))
    RESULTS['bit-equal at the end,', 'trainings'] += 1
    RESULTS['kills survived by', name] += struck


def check_end(attempt: Attempt, kill: Kill, place: str) -> None:
    """Check how the processes end, and what they leave."""
    steps = attempt.iteration()
    ended = attempt.finish()
    start = find_start(str(attempt.folder)) if attempt.folder.exists() else ''
    if kill.number == signal.SIGKILL:
        assert ended[0].returncode == -signal.SIGKILL
        assert all(done.returncode for done in ended)
        return
    statuses = {done.returncode for done in ended}
    told = re.findall(
        rf'stopped by {signal.Signals(kill.number).name} after iteration '
        rf"(\d+) of {ITERATIONS}, and it is saved in '(.*)', from",
        ended[0].stderr,
    )
    if place == 'before the first step' and not told:
        assert 0 not in statuses
        return
    if statuses == {0}:  # it got the signal when it was done
        assert f'{attempt.folder}/' in start
        return
    assert statuses == {128 + kill.number}, (place, ended)
    [(iteration, path)] = told
    assert start == path
    assert torch.load(path, weights_only=False)['meta']['iter'] == int(
        iteration
    )
    # The iteration at hand, or the next one if the ranks have just agreed.
    assert steps <= int(iteration) <= steps + 2


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_a_launcher_that_is_stopped(number, unbroken, tmp_path):
    """By its own process, as clusters do, or from the terminal."""
    name = 'lakd-ema-two-ranks'
    config, expected = unbroken(name)
    folder = tmp_path / 'stopped'
    launcher = subprocess.Popen(
        ['tools/dist_train.sh', config, '2', '--work-dir', folder],
        cwd=ROOT,
        env={
            **os.environ,
            'OMP_NUM_THREADS': '1',
            'PYTHON': sys.executable,
            'PYTHONPATH': str(ROOT),
            'MASTER_PORT': '29634',
        },
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    log = ''
    while 'Epoch(train) [2]' not in log and launcher.poll() is None:
        log = ''.join(path.read_text() for path in folder.glob('*/*.log'))
        time.sleep(0.01)
    send = os.kill if number == signal.SIGTERM else os.killpg
    send(launcher.pid, number)
    _, errors = launcher.communicate(timeout=120)
    assert launcher.returncode
    assert f'stopped by {signal.Signals(number).name} after' in errors
    assert len(list(folder.glob('stopped_iter_*.pth'))) == 1
    for done in Attempt(name, config, folder).finish():
        assert not done.returncode, (done.stdout + done.stderr)[-3000:]
    assert not list(differences(folder, expected))
