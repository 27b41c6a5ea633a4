"""How alike two models' attention is, image by image."""

import torch


def map_correlation(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Correlate two maps of each image over their positions (Pearson's r).

    Args:
        first (torch.Tensor): Maps (N, H, W) or (N, 1, H, W).
        second (torch.Tensor): Maps of the same shape.

    Returns:
        torch.Tensor: (N,), float64, from -1 to 1; nan for an image one of
        whose maps is constant.
    """
    a, b = (maps.double().flatten(1) for maps in (first, second))
    # Rounding would make a constant map's mean another number than the map.
    constant = (a == a[:, :1]).all(1) | (b == b[:, :1]).all(1)
    a, b = (maps - maps.mean(1, keepdim=True) for maps in (a, b))
    r = (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1))
    return r.masked_fill(constant, float('nan'))
