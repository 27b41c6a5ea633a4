"""Two real processes against one: the same banks, negatives, gradients."""

from pathlib import Path

import pytest
import torch
from crd_two_processes import SPLITS, Embeddings, train
from fork_server import start_ranks

SCRIPT = Path(__file__).with_name('crd_two_processes.py')
CASES = [(name, broadcast) for name in SPLITS for broadcast in (False, True)]


@pytest.fixture(scope='module')
def ranks(tmp_path_factory):
    """What both ranks end with, from one start of the processes."""
    folder = tmp_path_factory.mktemp('crd')
    for process in start_ranks(SCRIPT, folder, port=29519):
        done = process.finish()
        assert done.returncode == 0, done.stderr[-3000:]
    return [torch.load(folder / f'rank{rank}.pth') for rank in range(2)]


@pytest.fixture(scope='module')
def single():
    """One process with the whole batches."""
    return train(Embeddings(), slice(None))


@pytest.mark.parametrize('case', CASES)
def test_ranks_end_alike(ranks, case):
    one, other = (rank[case]['state'] for rank in ranks)
    assert set(one) == set(other)
    for name in one:
        assert torch.equal(one[name], other[name]), name


@pytest.mark.parametrize('case', CASES)
def test_negatives_are_those_of_one_process(ranks, single, case):
    for rank in ranks:
        assert len(rank[case]['pools']) == 3
        for found, expected in zip(rank[case]['pools'], single['pools']):
            assert torch.equal(found, expected)


@pytest.mark.parametrize('broadcast', [False, True])
def test_equal_parts_equal_one_process(ranks, single, broadcast):
    """Banks, Z and gradients; DDP takes the mean of the parts' gradients."""
    found = ranks[0]['equal', broadcast]
    for kind in ('state', 'grads'):
        for name, expected in single[kind].items():
            torch.testing.assert_close(
                found[kind][name], expected, rtol=1e-4, atol=1e-5, msg=name
            )


def test_stock_banks_drift_apart(ranks):
    """Each rank of MMRazor's CRDLoss moves the rows that it has seen."""
    one, other = (rank['stock'] for rank in ranks)
    differ = (one != other).any(1).nonzero().flatten().tolist()
    assert differ == [0, 1, 2, 3, 4, 5, 6, 8]
