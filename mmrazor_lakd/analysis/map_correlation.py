"""Correlation of two models' attention maps, image by image."""

import torch

# Relative variation over a map's positions that counts as float32 rounding.
ROUNDING = 1e-6


def is_constant(maps: torch.Tensor) -> torch.Tensor:
    """Check which maps (N, P) are constant over all positions: (N,), bool."""
    spread = maps.amax(1) - maps.amin(1)
    return spread <= ROUNDING * maps.abs().amax(1)


def map_correlation(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Correlate two maps of each image over their positions (Pearson's r).

    Args:
        first (torch.Tensor): Maps (N, H, W) or (N, 1, H, W).
        second (torch.Tensor): Maps of the same shape.

    Returns:
        torch.Tensor: (N,), float64, from -1 to 1; nan for an image one of
        whose maps is constant up to float32 rounding.
    """
    a, b = (maps.double().flatten(1) for maps in (first, second))
    constant = is_constant(a) | is_constant(b)
    a, b = (maps - maps.mean(1, keepdim=True) for maps in (a, b))
    r = (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1))
    return r.masked_fill(constant, float('nan'))
