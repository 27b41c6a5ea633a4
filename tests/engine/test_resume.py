"""From what a training goes on, and from what it does not."""

import os
import re
import shutil

import pytest
import torch
from mmengine.logging import MMLogger
from toy_training import build_runner, train

from mmrazor_lakd import SettingError
from mmrazor_lakd.engine.resume import find_start


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """The folder of a training with checkpoints of four iterations."""
    folder = tmp_path_factory.mktemp('trained')
    train(folder)
    return folder


@pytest.fixture
def folder(trained, tmp_path):
    """A copy of it, as if it was moved."""
    folder = tmp_path / 'moved'
    shutil.copytree(trained, folder)
    (folder / 'last_checkpoint').write_text('/gone/iter_12.pth')
    return folder


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def rewrite(found, path):
    """Save a checkpoint that is changed on purpose."""
    torch.save(found, path)
    path.with_name(f'{path.name}.sha256').unlink(missing_ok=True)


def start_of(folder):
    return find_start(str(folder)) and find_start(str(folder)).split('/')[-1]


def test_the_pointer_is_followed(trained, folder):
    assert find_start(str(trained)) == str(trained / 'iter_12.pth')
    # a copy goes on from its own one, whatever is at the old place now
    (folder / 'last_checkpoint').write_text(str(trained / 'iter_3.pth'))
    assert find_start(str(folder)) == str(folder / 'iter_3.pth')
    (folder / 'iter_3.pth').unlink()
    assert find_start(str(folder)) == str(trained / 'iter_3.pth')
    (folder / 'last_checkpoint').write_text('s3://bucket/iter_3.pth')
    assert find_start(str(folder)) == 's3://bucket/iter_3.pth'


def test_a_moved_folder(folder):
    (folder / 'last_checkpoint').write_text('/gone/iter_9.pth')
    assert find_start(str(folder)) == str(folder / 'iter_9.pth')


@pytest.mark.parametrize('pointer', [None, b'', b'\xff\x00', b'\x00' * 8])
def test_a_lost_pointer(folder, pointer):
    """The newest one is that of the highest number, whatever the times."""
    (folder / 'iter_3.pth').touch()
    (folder / 'last_checkpoint').unlink()
    if pointer is not None:
        (folder / 'last_checkpoint').write_bytes(pointer)
    assert start_of(folder) == 'iter_12.pth'


def test_a_clock_that_was_set_back(folder):
    """Between names of different kinds the content decides, not the times."""
    (folder / 'last_checkpoint').unlink()
    shutil.copy(folder / 'iter_6.pth', folder / 'other_900.pth')
    os.utime(folder / 'iter_12.pth', (0, 0))
    os.utime(folder / 'other_900.pth', (2**32, 2**32))
    assert start_of(folder) == 'iter_12.pth'


def test_a_flipped_bit(folder):
    """PyTorch would load it, see below."""
    path = folder / 'iter_12.pth'
    content = bytearray(path.read_bytes())
    weight = torch.load(path)['state_dict']['layer.weight']
    place = content.index(weight.numpy().tobytes())
    content[place] ^= 1
    path.write_bytes(content)
    sentence = (
        r"iter_12.pth' is truncated or damaged, since its SHA-256 is not the "
        r"one in 'iter_12.pth.sha256' beside it"
    )
    for settings in (dict(resume=True), {}):
        with pytest.raises(SettingError, match=sentence):
            train(folder, load_from=str(path), **settings)
    log = folder / 'log'
    MMLogger.get_instance(f'{folder} flipped', log_file=str(log))
    assert start_of(folder) == 'iter_9.pth'
    assert re.search(f'Skipped: --resume=.*{sentence}', log.read_text())
    path.with_name('iter_12.pth.sha256').unlink()
    assert start_of(folder) == 'iter_12.pth'
    flipped = torch.load(path)['state_dict']['layer.weight']
    assert not torch.equal(flipped, weight)


def test_a_damaged_checkpoint_is_skipped(folder):
    log = folder / 'log'
    MMLogger.get_instance(str(folder), log_file=str(log))
    cut(folder / 'iter_12.pth')
    cut(folder / 'iter_9.pth')
    assert start_of(folder) == 'iter_6.pth'
    log = log.read_text()
    for name in ('iter_12', 'iter_9'):
        assert re.search(rf'{name}\.pth. is truncated', log)
    assert 'goes on from the newest whole one' in log
    assert 'moved/iter_6.pth' in log
    cut(folder / 'iter_6.pth')
    cut(folder / 'iter_3.pth')
    with pytest.raises(SettingError, match='no whole checkpoint in .*moved'):
        find_start(str(folder))


def test_checkpoints_that_are_saved_elsewhere(folder, tmp_path):
    """By ``out_dir`` of the CheckpointHook: in a folder of the same name."""
    work_dir = tmp_path / 'other' / 'moved'
    work_dir.mkdir(parents=True)
    out_dir = str(folder.parent)
    newest = str(folder / 'iter_12.pth')
    assert find_start(str(work_dir)) is None
    assert find_start(str(work_dir), out_dir) == newest  # a lost pointer
    pointer = work_dir / 'last_checkpoint'
    pointer.write_text('gone/iter_9.pth')  # of another working directory
    assert find_start(str(work_dir), out_dir).endswith('iter_9.pth')
    pointer.write_text(newest)
    cut(folder / 'iter_12.pth')
    for where in (None, out_dir):
        assert find_start(str(work_dir), where) == str(folder / 'iter_9.pth')
    (folder / 'iter_12.pth').unlink()
    assert find_start(str(work_dir)) == str(folder / 'iter_9.pth')


def test_a_pointer_to_nothing(tmp_path):
    """The training that it belonged to is not begun anew over it."""
    (tmp_path / 'last_checkpoint').write_text('/gone/iter_9.pth')
    with pytest.raises(SettingError, match="names '/gone/iter_9.pth', which"):
        find_start(str(tmp_path))


def test_no_checkpoint_at_all(tmp_path):
    runner = build_runner(tmp_path, resume=True, log_level='INFO')
    runner.train()
    assert runner.iter == 12
    log = ''.join(p.read_text() for p in tmp_path.rglob('*.log'))
    assert 'the training starts from the beginning' in log


def test_weights_alone_are_no_start(folder):
    """Neither named nor found, as they are in a best checkpoint."""
    found = torch.load(folder / 'iter_12.pth')
    for path in folder.glob('*.pth'):
        path.unlink()
    del found['optimizer']
    torch.save(found, folder / 'best_acc_epoch_3.pth')
    sentence = (
        "best_acc_epoch_3.pth' has no state of the optimizer: .*write "
        "load_from='.*best_acc_epoch_3.pth' instead"
    )
    with pytest.raises(SettingError, match='which does not exist'):
        train(folder, resume=True)
    # A training that was killed before its first regular checkpoint.
    (folder / 'last_checkpoint').unlink()
    assert find_start(str(folder)) is None
    path = str(folder / 'best_acc_epoch_3.pth')
    with pytest.raises(SettingError, match=sentence):
        train(folder, resume=True, load_from=path)
    train(folder, load_from=path)


@pytest.mark.parametrize(
    'key, lacking',
    [
        ('param_schedulers', 'no state of the param_scheduler'),
        ('meta', 'no epoch and iteration'),
        ('message_hub', 'no message_hub'),
    ],
)
def test_what_else_a_start_needs(folder, key, lacking):
    found = torch.load(folder / 'iter_12.pth')
    del found[key]
    rewrite(found, folder / 'iter_12.pth')
    with pytest.raises(SettingError, match=lacking):
        train(folder, resume=True)


def test_another_number_of_schedulers(folder):
    schedulers = [dict(type='ExponentialLR', gamma=0.7)] * 2
    with pytest.raises(SettingError, match='1 param_scheduler, .* has 2;'):
        train(folder, resume=True, param_scheduler=schedulers)


@pytest.mark.parametrize('part', ['state_dict', 'optimizer'])
def test_nan_is_no_start(folder, part):
    path = folder / 'iter_12.pth'
    found = torch.load(path)
    weight = found['state_dict']['layer.weight']
    if part == 'optimizer':
        weight = found['optimizer']['state'][0]['momentum_buffer']
    weight[0, 2] = float('nan')
    rewrite(found, path)
    first = 'layer.weight' if part == 'state_dict' else 'momentum_buffer'
    with pytest.raises(SettingError, match=f'iter_12.*NaN.*{part}.*{first},'):
        train(folder, resume=True)
    if part == 'state_dict':
        with pytest.raises(SettingError, match='load_from=.*layer.weight,'):
            train(folder / 'new', load_from=str(path))


def test_a_missing_start_and_its_neighbours(folder):
    path = str(folder / 'iter_13.pth')
    for resume, option in ((True, '--resume'), (False, 'load_from')):
        sentence = rf"{option}=.*13.pth' does not .*/iter_12\.pth"
        with pytest.raises(SettingError, match=sentence):
            train(folder, resume=resume, load_from=path)


def test_no_weight_fits(folder):
    path = str(folder / 'other.pth')
    torch.save(dict(conv=torch.ones(2)), path)
    with pytest.raises(SettingError, match='no weight of this Toy: .*conv'):
        train(folder, load_from=path)
    # one of two does
    found = torch.load(folder / 'iter_12.pth')['state_dict']
    found['layer.bias'] = torch.ones(7)
    torch.save(found, path)
    train(folder, load_from=path, log_level='INFO')
    log = ''.join(p.read_text() for p in folder.rglob('*.log'))
    assert 'has 1 of the 2 weights of this Toy' in log
