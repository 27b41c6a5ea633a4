"""Two real processes against one: the same gradients."""

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from conftest import lakd, total
from fork_server import start_ranks
from two_processes import (
    ACCUMULATE,
    WAYS,
    gradients,
    make_batches,
    make_model,
    samples_of,
)

from mmrazor_lakd import SettingError

SCRIPT = Path(__file__).with_name('two_processes.py')
PHASE = Path(__file__).with_name('phase_two_processes.py')


@pytest.fixture(scope='module')
def found(tmp_path_factory):
    """Gradients of all ways, from one start of the processes."""
    folder = tmp_path_factory.mktemp('two_processes')
    for process in start_ranks(SCRIPT, folder, port=29517):
        done = process.finish()
        assert done.returncode == 0, done.stderr[-3000:]
    return torch.load(folder / 'gradients.pth')


def one_process(parts):
    """Mean of the summed losses' gradients over parts of the batches."""
    model = make_model(early_backward=False)
    for images, labels in make_batches():
        for part in range(parts):
            own = slice(8 * part // parts, 8 * (part + 1) // parts)
            losses = model(images[own], samples_of(labels[own]), mode='loss')
            (total(losses) / ACCUMULATE / parts).backward()
    return gradients(model)


@pytest.mark.parametrize('early', [True, False])
@pytest.mark.parametrize('way', WAYS)
@pytest.mark.parametrize('sync', [False, True], ids=['own-bn', 'sync-bn'])
def test_two_processes_equal_one(found, way, early, sync):
    """With synchronised batch norm, also equal to one batch of all images."""
    expected = one_process(parts=1 if sync else 2)
    actual = found[early, way, sync]
    assert set(actual) == set(expected)
    for name, grad in expected.items():
        error = (actual[name] - grad).norm() / grad.norm()
        assert error < (1e-5 if sync else 1e-6), (name, error)


def test_the_training_goes_on_with_idle_parameters(tmp_path):
    """By MMEngine's defaults, to the same student as with unused ones.

    After the local phase, and after the end of the distillation.
    """
    for process in start_ranks(PHASE, tmp_path, port=29531):
        done = process.finish()
        assert done.returncode == 0, done.stderr[-3000:]
    students = torch.load(tmp_path / 'students.pth')
    for stops in (False, True):
        ours, unused = (students[stops, way] for way in (False, True))
        torch.testing.assert_close(ours, unused, rtol=0, atol=0)


@pytest.mark.skipif(
    torch.__version__.startswith('1.'),
    reason='FSDP of PyTorch 1.13 is for GPUs only',
)
def test_sharded_parameters_are_refused(build, batch):
    fsdp = pytest.importorskip('torch.distributed.fsdp')
    dist.init_process_group(
        'gloo', store=dist.HashStore(), rank=0, world_size=1
    )
    try:
        wrapped = fsdp.FullyShardedDataParallel(
            build(lakd()), device_id=torch.device('cpu')
        )
        with pytest.raises(SettingError, match='sharded.*early_backward=Fal'):
            wrapped(*batch, mode='loss')
    finally:
        dist.destroy_process_group()
