"""NDAM maps of trained models."""

from typing import List, NamedTuple, Optional, Sequence

import numpy as np
import torch
from torch import nn

from ..connectors import match_size
from ..losses import ndam_map
from ..tracing.features import read_maps


class Attention(NamedTuple):
    """A model's NDAM maps and predictions for some images.

    Attributes:
        maps (list[np.ndarray]): (N, H', W') for each module, with spatial mean
            1.
        scores (np.ndarray, optional): Probabilities, (N, classes); None for a
            segmentor or detector.
    """

    maps: List[np.ndarray]
    scores: Optional[np.ndarray]


def read_attention(
    model: nn.Module, images: torch.Tensor, sources: Sequence[str]
) -> Attention:
    """Compute a model's NDAM maps and predictions in one forward pass.

    Args:
        model (nn.Module): A model of MMEngine in eval mode.
        images (torch.Tensor): Preprocessed images, (N, C, H, W).
        sources (Sequence[str]): Names of modules whose outputs are feature
            maps.

    Returns:
        Attention: The maps with :func:`ndam_map`'s default settings.
    """

    def read(feature: torch.Tensor) -> np.ndarray:
        return ndam_map(feature)[:, 0].cpu().numpy()

    logits, maps = read_maps(model, images, dict.fromkeys(sources, read))
    scores = None if logits is None else logits.softmax(1).cpu().numpy()
    return Attention([maps[name] for name in sources], scores)


def collect_ndam_maps(
    model: nn.Module, images: torch.Tensor, sources: Sequence[str]
) -> List[np.ndarray]:
    """Compute a model's NDAM maps; see :func:`read_attention`.

    Returns:
        list[np.ndarray]: (N, H', W') for each source, with spatial mean 1.
    """
    return read_attention(model, images, sources).maps


def match_map(maps: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Resize maps to the size of others.

    Args:
        maps (np.ndarray): (N, H, W).
        like (np.ndarray): (N, H', W').

    Returns:
        np.ndarray: (N, H', W'); pooled or interpolated where necessary.
    """
    if maps.shape[1:] == like.shape[1:]:
        return maps
    matched = match_size(torch.from_numpy(maps)[:, None], like.shape[1:])
    return matched[:, 0].numpy()
