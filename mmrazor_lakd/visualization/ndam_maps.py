"""NDAM maps of trained models, and how far two of them agree."""

from typing import Dict, List, NamedTuple, Sequence

import numpy as np
import torch
from torch import nn

from ..connectors import match_size
from ..losses import ndam_map

# A map whose deviation from its mean is less than this part of it is flat:
# what is left is rounding, and correlates with nothing.
FLAT = 1e-5


class Look(NamedTuple):
    """What a model shows of some images.

    Attributes:
        maps (list[np.ndarray]): For each module (N, H', W'), of spatial mean
            1.
        scores (np.ndarray): Probabilities, (N, classes).
    """

    maps: List[np.ndarray]
    scores: np.ndarray


@torch.no_grad()
def look(
    model: nn.Module, images: torch.Tensor, sources: Sequence[str]
) -> Look:
    """Compute a classifier's NDAM maps and predictions in one forward pass.

    A map is made as soon as its module ends: what follows may overwrite the
    features in place, and they need not be kept.

    Args:
        model (nn.Module): A classifier of mmpretrain's, in eval mode.
        images (torch.Tensor): Preprocessed images, (N, C, H, W).
        sources (Sequence[str]): Names of modules that give feature maps.

    Returns:
        Look: The maps with :func:`ndam_map`'s default settings.
    """
    maps: Dict[str, np.ndarray] = {}

    def keep(name):
        def hook(module, inputs, output):
            maps[name] = ndam_map(output)[:, 0].cpu().numpy()

        return hook

    known = dict(model.named_modules())
    hooks = [
        known[name].register_forward_hook(keep(name)) for name in set(sources)
    ]
    try:
        predicted = model(images, mode='predict')
    finally:
        for hook in hooks:
            hook.remove()
    scores = torch.stack([sample.pred_score for sample in predicted])
    return Look([maps[name] for name in sources], scores.cpu().numpy())


def collect_ndam_maps(
    model: nn.Module, images: torch.Tensor, sources: Sequence[str]
) -> List[np.ndarray]:
    """Compute a classifier's NDAM maps; see :func:`look`.

    Returns:
        list[np.ndarray]: For each source (N, H', W'), of spatial mean 1.
    """
    return look(model, images, sources).maps


def match_map(maps: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Bring maps to the size of others, as LAKD does with feature maps.

    Args:
        maps (np.ndarray): (N, H, W).
        like (np.ndarray): (N, H', W').

    Returns:
        np.ndarray: (N, H', W'); pooled or interpolated where need be.
    """
    if maps.shape[1:] == like.shape[1:]:
        return maps
    matched = match_size(torch.from_numpy(maps)[:, None], like.shape[1:])
    return matched[:, 0].numpy()


def map_correlations(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Correlate two maps of each image.

    Args:
        first (np.ndarray): Maps (N, H, W).
        second (np.ndarray): Maps of the same shape.

    Returns:
        np.ndarray: (N,), from -1 to 1; nan where a map is flat.
    """
    a, b = (
        maps.reshape(len(maps), -1).astype(np.float64)
        for maps in (first, second)
    )
    means = [maps.mean(1, keepdims=True) for maps in (a, b)]
    a, b = a - means[0], b - means[1]
    norm = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    for maps, mean in zip((a, b), means):
        norm[np.abs(maps).max(1) <= FLAT * np.abs(mean[:, 0])] = np.nan
    return (a * b).sum(1) / norm


def map_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Mean over the images of the correlation between two maps of each.

    Args:
        first (np.ndarray): Maps (N, H, W).
        second (np.ndarray): Maps of the same shape.

    Returns:
        float: From -1 to 1. An image with a flat map doesn't count; nan if
        there is no other.
    """
    values = map_correlations(first, second)
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float('nan')
