"""CKA against its definition, its known properties, and whole batches."""

import pytest
import torch
import torch.nn.functional as F
from slow_cka import slow_cka

from mmrazor_lakd.analysis import (
    CrossProduct,
    LinearCKA,
    cells,
    linear_cka,
)


def features(n, d, e, seed=0):
    """Two sets of features that have something in common, far from zero."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, d, generator=generator)
    mix = torch.randn(d, e, generator=generator)
    y = x @ mix + torch.randn(n, e, generator=generator) * 2
    return x + 3, 0.1 * y - 5


@pytest.mark.parametrize('n, d, e', [(2, 1, 1), (13, 4, 7), (40, 50, 3)])
def test_definition(n, d, e):
    x, y = features(n, d, e)
    assert linear_cka(x, y).item() == pytest.approx(slow_cka(x, y), abs=1e-9)


def test_definition_where_nothing_is_in_common():
    """A value that no property fixes: neither 0 nor 1."""
    x, _ = features(30, 6, 6, seed=1)
    y, _ = features(30, 6, 6, seed=2)
    value = linear_cka(x, y).item()
    assert value == pytest.approx(slow_cka(x, y), abs=1e-9)
    assert 0.05 < value < 0.5


def test_one_for_itself_turned_scaled_and_moved():
    x, _ = features(50, 6, 1)
    x = x.double()
    rotation = torch.linalg.qr(torch.randn(6, 6).double())[0]
    for other in (x, x @ rotation, -3 * x, x + 7, 2 * x @ rotation + 1):
        assert linear_cka(x, other).item() == pytest.approx(1, abs=1e-9)


def test_invariant_to_rotation_and_scale_but_not_to_each_scale():
    x, y = (tensor.double() for tensor in features(50, 6, 4))
    rotation = torch.linalg.qr(torch.randn(6, 6).double())[0]
    value = linear_cka(x, y).item()
    for other in (x @ rotation, 5 * x, x - 2):
        assert linear_cka(other, y).item() == pytest.approx(value, abs=1e-9)
    assert linear_cka(y, x).item() == pytest.approx(value, abs=1e-9)
    uneven = x * torch.tensor([100.0, 1, 1, 1, 1, 1]).double()
    assert abs(linear_cka(uneven, y).item() - value) > 0.01


def test_zero_without_correlation():
    x = torch.tensor([[1.0], [1.0], [-1.0], [-1.0]])
    y = torch.tensor([[1.0], [-1.0], [1.0], [-1.0]])
    assert linear_cka(x, y).item() == 0
    assert linear_cka(x, torch.zeros(4, 2)).isnan()


@pytest.mark.parametrize('offset', [0.0, 1000.0])
@pytest.mark.parametrize(
    'sizes', [[100], [64, 36], [1, 98, 1], [7] * 14 + [2]]
)
def test_batches_equal_the_whole(sizes, offset):
    """Within the docstring's 1e-9, whatever the batches, for a mean of 1000
    standard deviations."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(100, 5, generator=generator).double() + offset
    y = (x - offset) @ torch.randn(5, 3, generator=generator).double()
    y = y + torch.randn(100, 3, generator=generator)
    cka = LinearCKA()
    for a, b in zip(x.split(sizes), y.split(sizes)):
        cka.update([a, b], [b])
    found = cka.compute()
    # Its n x n products would lose nine digits to the offset.
    expected = slow_cka(x - offset, y)
    expected = torch.tensor([[expected], [1.0]]).double()
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)


def test_matrix_is_of_each_pair():
    torch.manual_seed(0)
    rows = [torch.randn(30, width) for width in (2, 5, 3)]
    columns = [torch.randn(30, width) for width in (4, 1)]
    cka = LinearCKA()
    cka.update(rows, columns)
    found = cka.compute()
    assert found.shape == (3, 2)
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            expected = slow_cka(row, column)
            assert found[i, j].item() == pytest.approx(expected, abs=1e-9)


def test_cross_product_of_known_numbers():
    product = CrossProduct()
    product.update(torch.tensor([[0.0, 1.0]]), torch.tensor([[2.0]]))
    product.update(
        torch.tensor([[4.0, 1.0], [2.0, 4.0]]), torch.tensor([[6.0], [4.0]])
    )
    assert product.count == 3
    assert product.x_mean.tolist() == [2, 2] and product.y_mean.item() == 4
    # (-2, 2, 0) . (-2, 2, 0) and (-1, -1, 2) . (-2, 2, 0)
    assert product.compute().tolist() == [[8.0], [0.0]]


def test_nothing_grows_with_the_images():
    def numbers(batches):
        cka = LinearCKA()
        for seed in range(batches):
            x, y = features(32, 5, 7, seed)
            cka.update([x, y], [y])
        products = [cka._across, *cka._rows, *cka._columns]
        return sum(
            value.numel()
            for product in products
            for value in vars(product).values()
            if isinstance(value, torch.Tensor)
        )

    across = (5 + 7) * 7 + (5 + 7) + 7
    own = (5 * 5 + 2 * 5) + 2 * (7 * 7 + 2 * 7)
    assert numbers(1) == numbers(10) == across + own


def test_cells_of_a_large_and_a_small_map():
    feature = torch.arange(2 * 3 * 8 * 8.0).view(2, 3, 8, 8)
    found = cells(feature, 4)
    assert found.shape == (2 * 16, 3)
    # image 1, row 2, column 3 of the cells
    expected = feature[1, :, 4:6, 6:8].mean((1, 2))
    torch.testing.assert_close(found[16 + 2 * 4 + 3], expected)
    small = F.avg_pool2d(feature, 4)  # 2x2
    repeated = small.repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(
        cells(small, 4), repeated.permute(0, 2, 3, 1).reshape(-1, 3)
    )
    assert cells(feature.bfloat16()).dtype == torch.float32
