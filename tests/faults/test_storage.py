"""Disks that fail, and files that are damaged, with the tools as they are.

``FAULTS_SEED`` (0 by default) draws other bytes.
"""

import os
import random
import re
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager

import pytest
import torch
from fork_server import call_tool, start_tool
from killed_trainings import (
    TRAININGS,
    differences,
    write_config,
    write_teacher,
)

from mmrazor_lakd import SettingError
from mmrazor_lakd.checkpoints.loading import read_checkpoint
from mmrazor_lakd.engine.resume import find_start

SEED = int(os.environ.get('FAULTS_SEED', 0))
TRAIN = 'tools/train.py'
pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    """The config of a training of LAKD with averaged weights."""
    root = tmp_path_factory.mktemp('configs')
    write_teacher(root / 'teacher.pth')
    path = root / 'kd.py'
    training = TRAININGS['kd-ema-plateau']
    write_config(training, root / 'teacher.pth', path)
    return path


@pytest.fixture(scope='module')
def unbroken(config, tmp_path_factory):
    """The folder of the training on a disk without faults."""
    folder = tmp_path_factory.mktemp('unbroken') / 'run'
    check_end(call_tool(TRAIN, config, '--work-dir', folder))
    return folder


@pytest.fixture
def copy(unbroken, tmp_path):
    """A copy of it, whose last checkpoint is that of the second epoch."""
    folder = tmp_path / 'copy'
    shutil.copytree(unbroken, folder)
    for path in folder.glob('epoch_3.*'):
        path.unlink()
    (folder / 'last_checkpoint').write_text(str(unbroken / 'epoch_2.pth'))
    return folder


def check_end(done):
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]


def check_refusal(done, *words):
    """Check that a tool ended with one sentence, which has these words."""
    [sentence] = re.findall('^error: .*', done.stderr, re.MULTILINE)
    assert done.returncode == 2, done.stderr
    assert 'Traceback' not in done.stderr
    for word in words:
        assert word in sentence, sentence


def check_whole(folder):
    """Check that all checkpoints are whole, and the pointer's is there."""
    sums = [path.name for path in folder.glob('*.sha256')]
    if sums:
        check = ['sha256sum', '-c', '--strict', '--quiet', *sums]
        assert not subprocess.run(check, cwd=folder).returncode
    for path in folder.glob('*.pth'):
        torch.load(path, weights_only=False)
    pointer = folder / 'last_checkpoint'
    if pointer.exists():
        assert os.path.exists(pointer.read_text())
        assert find_start(str(folder)) == pointer.read_text()


def resume(config, folder, unbroken):
    """Resume, and compare with the unbroken training; return the log."""
    done = call_tool(TRAIN, config, '--work-dir', folder, '--resume')
    check_end(done)
    assert not list(differences(folder, unbroken))
    return done.stdout + done.stderr


def wait_for(path, tool):
    while not path.exists():
        assert tool.is_running(), tool.finish().stderr[-3000:]
        time.sleep(0.005)


@contextmanager
def small_disk(folder, size):
    """Mount a file system of a size in bytes."""
    folder.mkdir()
    mount = ['mount', '-t', 'tmpfs', '-o', f'size={size}', 'tmpfs', folder]
    try:
        done = subprocess.run(mount, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip('there is no mount')
    if done.returncode:
        pytest.skip(f'no file system can be mounted here: {done.stderr}')
    try:
        yield
    finally:
        subprocess.run(['umount', '-l', folder], check=True)


def disk_sizes(count=8):
    """Draw sizes, in pages, between none and two checkpoints' space."""
    chance = random.Random(SEED)
    return [4096 * chance.randint(20, 700) for _ in range(count)]


@pytest.mark.parametrize('size', disk_sizes())
def test_a_disk_that_gets_full(config, unbroken, tmp_path, size):
    """After a random byte; with more room the training goes on."""
    disk = tmp_path / 'disk'
    with small_disk(disk, size):
        folder = disk / 'run'
        done = call_tool(TRAIN, config, '--work-dir', folder)
        check_refusal(done, 'No space left on device')
        check_whole(folder)
        size = ['mount', '-o', 'remount,size=64m', disk]
        subprocess.run(size, check=True)
        assert not list(folder.glob('*.unfinished'))
        resume(config, folder, unbroken)


def test_a_folder_that_becomes_read_only(config, unbroken, tmp_path):
    folder = tmp_path / 'run'
    tool = start_tool(TRAIN, config, '--work-dir', folder)
    wait_for(folder / 'epoch_1.pth.sha256', tool)
    lock = subprocess.run(['chattr', '+i', folder], capture_output=True)
    done = tool.finish()
    subprocess.run(['chattr', '-i', folder], capture_output=True)
    if lock.returncode:
        pytest.skip('no folder can be made read-only for root here')
    check_refusal(done, 'could not be written', 'Operation not permitted')
    check_whole(folder)
    resume(config, folder, unbroken)


def test_a_folder_that_is_moved(config, unbroken, tmp_path):
    """And another training has begun at the old place."""
    old, new = tmp_path / 'old', tmp_path / 'new'
    tool = start_tool(TRAIN, config, '--work-dir', old)
    wait_for(old / 'epoch_2.pth.sha256', tool)
    os.kill(tool.pid, signal.SIGTERM)
    assert tool.finish().returncode == 128 + signal.SIGTERM
    old.rename(new)
    other = ['--cfg-options', 'randomness.seed=5', 'train_cfg.max_epochs=2']
    check_end(call_tool(TRAIN, config, '--work-dir', old, *other))
    content = {p.name: p.read_bytes() for p in old.glob('*.pth*')}
    log = resume(config, new, unbroken)
    assert str(new) in log
    assert content == {p.name: p.read_bytes() for p in old.glob('*.pth*')}


def test_two_trainings_in_one_folder(config, unbroken, tmp_path):
    """The second one is refused, and changes nothing of the first one's."""
    folder = tmp_path / 'run'
    first = start_tool(TRAIN, config, '--work-dir', folder)
    wait_for(folder / 'epoch_1.pth', first)
    before = (folder / config.name).read_bytes()
    other = ['--cfg-options', 'randomness.seed=5']
    for option in ([], ['--resume']):
        done = call_tool(TRAIN, config, '--work-dir', folder, *option, *other)
        check_refusal(done, 'Another training is at work in', str(folder))
    assert (folder / config.name).read_bytes() == before
    assert len(list(folder.glob('*/*.log'))) == 1
    check_end(first.finish())
    assert not list(differences(folder, unbroken))


def test_a_clock_that_was_set_back(config, unbroken, copy):
    """The times tell nothing, and the pointer is lost."""
    (copy / 'last_checkpoint').unlink()
    newest = copy / 'epoch_2.pth'
    shutil.copy(unbroken / 'epoch_2.pth', copy / 'copied_1.pth')
    first = torch.load(newest, weights_only=False)
    first['meta'].update(epoch=1, iter=12)
    torch.save(first, copy / 'copied_1.pth')
    os.utime(newest, (0, 0))
    os.utime(copy / 'copied_1.pth', (2**33, 2**33))
    log = call_tool(TRAIN, config, '--work-dir', copy, '--resume')
    check_end(log)
    assert f'goes on from the newest whole one, {newest}' in (
        log.stdout + log.stderr
    )
    (copy / 'copied_1.pth').unlink()
    assert not list(differences(copy, unbroken))


def damages(count=40):
    """Draw flipped bits and truncations of a file, by share of its length."""
    chance = random.Random(SEED)
    return [
        (chance.choice(('flip', 'cut')), chance.random(), chance.randrange(8))
        for _ in range(count)
    ]


def damage(path, kind, share, bit):
    content = bytearray(path.read_bytes())
    place = int(share * len(content))
    if kind == 'cut':
        del content[place:]
    else:
        content[place] ^= 1 << bit
    path.write_bytes(content)


def test_damaged_checkpoints_are_refused(copy, unbroken):
    """Wherever the damage is; PyTorch loads many of them."""
    path = copy / 'epoch_2.pth'
    loaded = 0
    for kind, share, bit in damages():
        shutil.copy(unbroken / path.name, path)
        damage(path, kind, share, bit)
        with pytest.raises(SettingError, match='is truncated or damaged'):
            read_checkpoint(str(path), 'checkpoint')
        try:
            torch.load(path, weights_only=False)
            loaded += 1
        except Exception:  # whatever unpickling raises
            pass
    assert loaded > 10


@pytest.mark.parametrize('kind', ['flip', 'cut'])
def test_the_tools_refuse_a_damaged_checkpoint(
    config, unbroken, copy, tmp_path, kind
):
    shutil.copy(unbroken / 'epoch_3.pth', copy)
    shutil.copy(unbroken / 'epoch_3.pth.sha256', copy)
    path = copy / 'epoch_3.pth'
    damage(path, kind, 0.5, 3)
    words = [str(path), 'is truncated or damaged', 'epoch_3.pth.sha256']
    train = [TRAIN, config, '--work-dir', tmp_path / 'new']
    out = tmp_path / 'student.pth'
    export = 'tools/model_converters/export_student.py'
    for call in (
        [*train, '--resume', path],
        [*train, '--cfg-options', f'load_from={path}'],
        [*train, '--cfg-options', f'model.teacher_ckpt={path}'],
        ['tools/test.py', config, path],
        [export, config, path, '--out', out],
    ):
        check_refusal(call_tool(*call), *words)
    (copy / 'last_checkpoint').write_text(str(path))
    log = resume(config, copy, unbroken)
    # what was skipped, why, and what was found
    assert re.search(rf'Skipped: --resume=.{path}. is truncated', log)
    assert f'the newest whole one, {copy / "epoch_2.pth"}' in log


def test_the_tools_take_checkpoints_without_a_checksum(config, copy, tmp_path):
    """Of an earlier version, or of another program."""
    path = shutil.copy(copy / 'epoch_2.pth', tmp_path / 'alone.pth')
    check_end(call_tool('tools/test.py', config, path))
    resumed = call_tool(
        TRAIN, config, '--work-dir', tmp_path / 'new', '--resume', path
    )
    check_end(resumed)
