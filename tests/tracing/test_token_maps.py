"""Maps of tokens: their grid, and the view of them as (N, C, H, W)."""

import pytest
import torch

from mmrazor_lakd.tracing.token_maps import (
    as_map,
    map_tensor,
    token_grid,
    with_tensor,
)


def test_grids_of_square_images():
    """Of 1 to 40 tokens a side, with up to two class tokens."""
    for side in range(1, 41):
        for extra in range(3):
            assert token_grid(side * side + extra, (224, 224)) == (side, side)


@pytest.mark.parametrize('patch', [2, 4, 7, 8, 14, 16, 32])
@pytest.mark.parametrize('size', [(320, 480), (333, 500), (512, 1024)])
@pytest.mark.parametrize('rounding', ['floor', 'ceil'])
def test_grids_of_other_images(patch, size, rounding):
    """A convolution leaves out what a padded one completes."""
    grid = tuple(
        side // patch if rounding == 'floor' else -(-side // patch)
        for side in size
    )
    for extra in range(2):
        assert token_grid(grid[0] * grid[1] + extra, size) == grid


@pytest.mark.parametrize('count', [52, 55, 23])
def test_numbers_that_cover_no_square(count):
    assert token_grid(count, (224, 224)) is None
    assert as_map(torch.zeros(2, count, 8), (224, 224)) is None


def test_each_token_keeps_its_place():
    expected = torch.arange(2 * 5 * 3 * 4.0).view(2, 5, 3, 4)
    tokens = expected.flatten(2).transpose(1, 2)
    classes = torch.full((2, 2, 5), -1.0)
    for output, size in (
        (tokens, (48, 64)),
        (torch.cat([classes, tokens], 1), (48, 64)),
        ((tokens, (3, 4)), None),
        ((tokens, torch.tensor([3, 4])), (7, 7)),
    ):
        assert torch.equal(as_map(output, size), expected)
    # A view: a gradient reaches the tokens, and no memory is taken.
    assert as_map(tokens, (48, 64)).data_ptr() == tokens.data_ptr()
    assert as_map(expected, (9, 9)) is expected


def test_what_is_no_map():
    tokens = torch.zeros(2, 12, 5)
    for output in (
        None,
        1.0,
        [tokens],
        (tokens,),
        (tokens, (5, 5)),
        tokens[0],
    ):
        assert map_tensor(output) is None
        assert as_map(output, (48, 64)) is None


def test_the_size_beside_a_map_is_kept():
    tokens = torch.zeros(2, 12, 5)
    changed = with_tensor((tokens, (3, 4)), tokens + 1)
    assert changed[1] == (3, 4) and changed[0].sum() == tokens.numel()
    assert with_tensor(tokens, changed[0]) is changed[0]
