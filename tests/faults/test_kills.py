"""Trainings killed at random moments, and resumed, end as if they weren't.

Real processes of tools/train.py get real signals. ``FAULTS_SEED`` (0 by
default) makes another campaign, ``FAULTS_KILLS`` (30) a longer one.
"""

import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import List, NamedTuple, Tuple

import pytest
import torch
from conftest import ROOT
from fork_server import start_ranks, start_tool
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
# Lines of the log that tell of the first three.
LINES = dict(
    step=r'(Epoch|Iter)\(train\)',
    validation=r'(Epoch|Iter)\(val\)',
    save='Saving checkpoint',
)
pytestmark = pytest.mark.slow


class Kill(NamedTuple):
    """A signal at a random moment.

    Attributes:
        number (int): The signal.
        event (str): What to wait for, of :data:`EVENTS`.
        count (int): The how manieth of them.
        delay (float): Seconds to wait after it.
        spares (bool): Whether a rank and the workers don't get it.
    """

    number: int
    event: str
    count: int
    delay: float
    spares: bool

    def __str__(self) -> str:
        name = signal.Signals(self.number).name
        return f'{name}@{self.event}{self.count}'


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
        campaign.append((list(TRAININGS)[len(campaign) % 8], drawn))
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


class Attempt:
    """Processes that train in a folder."""

    def __init__(self, name: str, config: Path, folder: Path) -> None:
        self.folder = folder
        # Of earlier attempts.
        self.old = len(self.read_log())
        command = ['tools/train.py', config, '--work-dir', folder, '--resume']
        if TRAININGS[name].ranks == 1:
            self.ranks = [start_tool(*command)]
        else:
            with socket.socket() as free:
                free.bind(('127.0.0.1', 0))
                port = free.getsockname()[1]
            command += ['--launcher', 'pytorch']
            self.ranks = start_ranks(*command, port=port)

    def read_log(self) -> List[str]:
        logs = sorted(self.folder.glob('*/*.log'))
        return ''.join(log.read_text() for log in logs).splitlines()

    def lines(self) -> List[str]:
        """Return this attempt's lines of the log."""
        return self.read_log()[self.old :]

    def count(self, event: str) -> int:
        return sum(bool(re.search(LINES[event], x)) for x in self.lines())

    def wait_for(self, kill: Kill) -> bool:
        """Wait for the moment of a kill; tell whether it came."""
        writes, writing = 0, False
        while all(rank.is_running() for rank in self.ranks):
            if kill.event == 'write':
                was, writing = writing, self.is_writing()
                writes += writing and not was
                come = writes >= kill.count
            else:
                come = kill.event == 'start' or (
                    self.count(kill.event) >= kill.count
                )
                time.sleep(0.002)
            if come:
                time.sleep(kill.delay)
                return all(rank.is_running() for rank in self.ranks)
        return False

    def is_writing(self) -> bool:
        try:
            return any(
                name.endswith('.unfinished')
                for name in os.listdir(self.folder)
            )
        except FileNotFoundError:
            return False

    def place(self) -> str:
        """Tell where a frozen training is, by what it has left so far."""
        if self.is_writing():
            return 'writing a checkpoint'
        marks = [
            (name, line)
            for line in self.lines()
            for name, mark in LINES.items()
            if re.search(mark, line)
        ]
        name, line = marks[-1] if marks else ('', '')
        if name == 'save':
            number, kind = re.findall(r'(\d+) (epoch|iter)', line)[0]
            pointer = self.folder / 'last_checkpoint'
            saved = pointer.exists() and pointer.read_text()
            if not saved or not saved.endswith(f'{kind}_{number}.pth'):
                return 'making a checkpoint'
            return 'a validation' if kind == 'epoch' else 'a step'
        if name == 'validation' and 'accuracy' not in line:
            return 'a validation'
        return 'a step' if name else 'before the first step'

    def kill(self, kill: Kill) -> str:
        """Freeze the processes, look where they are, and send the signal."""
        for rank in self.ranks:
            os.kill(rank.pid, signal.SIGSTOP)
        place = self.place()
        ranks = self.ranks[: 1 if kill.spares else None]
        for rank in ranks:
            # Workers belong to the group.
            send = os.kill if kill.spares else os.killpg
            send(rank.pid, kill.number)
        for rank in self.ranks:
            try:
                os.kill(rank.pid, signal.SIGCONT)
            except ProcessLookupError:
                pass
        return place

    def iteration(self) -> int:
        """Return the last iteration in the log."""
        found = re.findall(
            r'(?:Epoch\(train\) +\[(\d+)\]|Iter\(train\) )\[ *(\d+)/',
            '\n'.join(self.read_log()),
        )
        epoch, batch = found[-1] if found else ('', 0)
        return 12 * (int(epoch or 1) - 1) + int(batch)

    def finish(self):
        return [rank.finish() for rank in self.ranks]


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
    terminal = request.config.pluginmanager.getplugin('terminalreporter')
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
