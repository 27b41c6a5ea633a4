"""Vectors of length 1, for losses that don't depend on a map's scale."""

import math

import torch


def row_lengths(rows: torch.Tensor) -> torch.Tensor:
    """Compute the length of each row, NaN where it overflows.

    A row divided by an infinite length would be 0: a finite loss of a map
    that has diverged, which :class:`~mmrazor_lakd.engine.DivergenceHook`
    couldn't see.

    Args:
        rows (torch.Tensor): (..., D).

    Returns:
        torch.Tensor: (..., 1), in the type of ``rows``.
    """
    lengths = torch.linalg.vector_norm(rows, dim=-1, keepdim=True)
    return nan_if_infinite(lengths)


def nan_if_infinite(values: torch.Tensor) -> torch.Tensor:
    """Replace infinite values by NaN, for what is divided by them."""
    return values.masked_fill(values.isinf(), math.nan)


def unit_rows(rows: torch.Tensor) -> torch.Tensor:
    """Divide rows (..., D) by their lengths; a row of zeros stays so.

    As :func:`torch.nn.functional.normalize`, but for :func:`row_lengths`.
    """
    return rows / row_lengths(rows).clamp(min=1e-12)
