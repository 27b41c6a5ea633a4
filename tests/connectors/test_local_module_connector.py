"""Maps of unequal width and size are brought together."""

import pytest
import torch
import torch.nn.functional as F

from mmrazor_lakd.connectors import LocalModuleConnector, match_size


def test_equal_widths_are_left_alone():
    connector = LocalModuleConnector(16, 16)
    feature = torch.randn(2, 16, 4, 4)
    assert connector(feature) is feature
    assert list(connector.parameters()) == []


def test_unequal_widths_are_projected():
    connector = LocalModuleConnector(3, 8).eval()
    feature = torch.randn(2, 3, 4, 5)
    conv, norm = connector.project
    expected = torch.einsum('oi,nihw->nohw', conv.weight[..., 0, 0], feature)
    torch.testing.assert_close(connector(feature), norm(expected))


@pytest.mark.parametrize(
    'size, target', [((8, 8), (4, 4)), ((9, 6), (3, 2)), ((8, 8), (1, 1))]
)
def test_larger_maps_are_pooled(size, target):
    feature = torch.randn(2, 3, *size, dtype=torch.float64)
    pooled = match_size(feature, target)
    window = size[0] // target[0], size[1] // target[1]
    for y in range(target[0]):
        for x in range(target[1]):
            cell = feature[
                :,
                :,
                y * window[0] : (y + 1) * window[0],
                x * window[1] : (x + 1) * window[1],
            ]
            torch.testing.assert_close(
                pooled[:, :, y, x], cell.mean((2, 3)), rtol=1e-12, atol=1e-12
            )


def test_smaller_maps_are_interpolated():
    feature = torch.randn(2, 3, 4, 4)
    expected = F.interpolate(feature, (8, 8), mode='bilinear')
    torch.testing.assert_close(match_size(feature, (8, 8)), expected)


def test_one_side_longer_one_shorter():
    assert match_size(torch.rand(1, 2, 8, 2), (4, 6)).shape == (1, 2, 4, 6)


def test_equal_sizes_are_left_alone():
    feature = torch.randn(1, 2, 4, 4)
    assert match_size(feature, torch.Size((4, 4))) is feature
