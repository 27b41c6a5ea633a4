"""NDAM maps of trained models, and their sizes."""

from typing import Dict, List, NamedTuple, Sequence

import numpy as np
import torch
from torch import nn

from ..connectors import match_size
from ..losses import ndam_map


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
