"""Compares what a network computes in two ways."""

import math
from typing import Sequence

import torch

#: what other kernels and orders of summation may change, of the largest value
ROUNDING = 1e-3
HALF_ROUNDING = 1e-2


def largest_change(
    before: Sequence[torch.Tensor], after: Sequence[torch.Tensor]
) -> float:
    """Compute the largest change of a list of tensors, in units of rounding.

    Args:
        before (Sequence[torch.Tensor]): Tensors of any shapes.
        after (Sequence[torch.Tensor]): The same, computed in another way.

    Returns:
        float: The largest difference of two elements over the largest element
        of its tensor, over what rounding may change: up to 1 they are the
        same. Infinite if shapes differ, or values of which rounding changes
        none; NaN if a value is.
    """
    if len(before) != len(after):
        return math.inf
    changes = [_change(one, other) for one, other in zip(before, after)]
    if any(map(math.isnan, changes)):
        return math.nan
    return max(changes, default=0.0)


def same_maps(
    before: Sequence[torch.Tensor], after: Sequence[torch.Tensor]
) -> bool:
    """Check whether two lists of tensors differ by no more than rounding."""
    return largest_change(before, after) <= 1


def _change(one: torch.Tensor, other: torch.Tensor) -> float:
    if one.shape != other.shape:
        return math.inf
    if not one.is_floating_point() or not one.numel():
        return 0.0 if torch.equal(one, other) else math.inf
    half = one.dtype in (torch.float16, torch.bfloat16)
    difference = (one - other).abs().max().double()
    largest = one.abs().max().double().clamp(min=1e-12)
    bound = HALF_ROUNDING if half else ROUNDING
    return (difference / largest / bound).item()
