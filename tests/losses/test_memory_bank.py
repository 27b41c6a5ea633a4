"""The banks' rows: how they begin, and how they move."""

import torch
import torch.nn.functional as F

from mmrazor_lakd.losses import MemoryBank


def make(num_samples=6, dim=4, momentum=0.5):
    generator = torch.Generator().manual_seed(0)
    return MemoryBank(num_samples, dim, momentum, generator)


def test_first_rows_are_about_of_length_1():
    rows = make(2000, 128).rows
    assert abs(rows.square().sum(1).mean() - 1) < 0.01
    assert abs(rows.mean()) < 0.001


def test_rows_move_by_the_formula_and_the_others_stay():
    bank = make(momentum=0.75)
    before = bank.rows.clone()
    new = F.normalize(torch.randn(2, 4))
    bank.update(torch.tensor([4, 1]), new)
    for row, place in enumerate((4, 1)):
        expected = 0.75 * before[place] + 0.25 * new[row]
        expected /= expected.square().sum().sqrt()
        torch.testing.assert_close(bank.rows[place], expected)
    for place in (0, 2, 3, 5):
        assert torch.equal(bank.rows[place], before[place])


def test_repeated_sample_counts_with_its_mean():
    new = F.normalize(torch.randn(3, 4))
    bank, other = make(), make()
    bank.update(torch.tensor([2, 5, 2]), new)
    means = torch.stack([(new[0] + new[2]) / 2, new[1]])
    other.update(torch.tensor([2, 5]), means)
    assert torch.equal(bank.rows, other.rows)
    # and in any order
    other = make()
    other.update(torch.tensor([2, 2, 5]), new[[2, 0, 1]])
    assert torch.equal(bank.rows, other.rows)


def test_embedding_with_a_graph_leaves_none_in_the_bank():
    bank = make()
    embedding = torch.ones(1, 4, requires_grad=True) / 2
    bank.update(torch.tensor([0]), embedding)
    assert bank.rows.grad_fn is None and not bank.rows.requires_grad
