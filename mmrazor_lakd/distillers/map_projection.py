"""Project a teacher's maps to the width of the student's."""

import math
from typing import Callable, Optional, Tuple

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce, broadcast
from mmengine.logging import print_log
from torch import nn

from ..losses.weighted_square import at_least_float32


def principal_components(
    feature: torch.Tensor, width: int
) -> Tuple[torch.Tensor, torch.Tensor, float]:
    """Find the principal components of a map's channels, on all processes.

    Args:
        feature (torch.Tensor): This process's part of the map, (N, C, H, W).
        width (int): Number of components, at most C.

    Returns:
        tuple: The components as rows, (width, C), the mean of each channel,
        (C, ), both in float64, and the components' share of the variance. Of
        each component, the weight of the largest absolute value is positive.
    """
    channels = feature.shape[1]
    # sums of the channels' products, with a further channel of ones
    size = (channels + 1, channels + 1)
    total = feature.new_zeros(size, dtype=torch.float64)
    for image in feature.detach():
        values = F.pad(image.flatten(1).double(), (0, 0, 0, 1), value=1.0)
        total += values @ values.T
    all_reduce(total)
    total /= total[-1, -1].clone()
    mean = total[-1, :-1]
    covariance = total[:-1, :-1] - mean.outer(mean)
    if not covariance.isfinite().all():  # left to DivergenceHook
        return covariance[:width] * math.nan, mean, math.nan
    variances, vectors = torch.linalg.eigh(covariance)
    rows = vectors.T.flip(0)[:width]
    largest = rows.gather(1, rows.abs().argmax(1, keepdim=True))
    share = variances.flip(0)[:width].sum() / variances.sum()
    return rows * largest.sign(), mean, float(share)


class MapProjection(nn.Module):
    """A fixed, orthonormal projection of a teacher's maps.

    It consists of the principal components of the first map that it is given.
    Their mean is subtracted, so that the variance by which the losses are
    divided is that of the components.

    Args:
        in_channels (int): Width of the teacher's maps.
        out_channels (int): Width of the student's.
        activate (Callable, optional): If given, a further channel is the sum
            of the activation of the whole map's channels, from which NDAM's
            weights follow. Defaults to None.

    Attributes:
        fitted (bool): Whether the components are known.
    """

    #: buffers that are those of one training, and not for the next
    of_one_training = ('weight', 'bias')

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        activate: Optional[Callable] = None,
    ) -> None:
        super().__init__()
        self.register_buffer('weight', torch.zeros(out_channels, in_channels))
        self.register_buffer('bias', torch.zeros(out_channels))
        self.activate = activate
        self.fitted = False

    def _load_from_state_dict(self, *args, **kwargs) -> None:
        """Load a checkpoint's components."""
        super()._load_from_state_dict(*args, **kwargs)
        self.fitted = bool(self.weight.any())

    def fit(self, feature: torch.Tensor, source: str) -> None:
        """Find the components of a map (N, C, H, W).

        Args:
            feature (torch.Tensor): The map.
            source (str): Its module, for the log.
        """
        weight, mean, share = principal_components(feature, len(self.weight))
        for own, found in zip(self.buffers(), (weight, -weight @ mean)):
            own.copy_(found)
            # On another machine, the last digits may differ.
            broadcast(own)
        self.fitted = bool(self.weight.isfinite().all())
        print_log(
            f"LAKD projects the {feature.shape[1]} channels of the teacher's "
            f"'{source}' to {len(weight)} principal components, which have "
            f'{share:.1%} of its variance in the first batch.',
            logger='current',
        )

    def forward(self, feature: torch.Tensor) -> torch.Tensor:
        """Project (N, C, H, W), or tokens (N, L, C)."""
        weight, bias = (t.to(feature.dtype) for t in self.buffers())
        if feature.dim() == 4:
            axis = 1
            projected = F.conv2d(feature, weight[..., None, None], bias)
        else:
            axis = 2
            projected = F.linear(feature, weight, bias)
        if self.activate is None:
            return projected
        # The sum overflows float16.
        mean = self.activate(feature).mean(axis, keepdim=True)
        return torch.cat([projected, mean.to(projected.dtype)], axis)

    def split(
        self, projected: torch.Tensor
    ) -> Tuple[torch.Tensor, Optional[torch.Tensor]]:
        """Split a projected map (N, C, H, W) from the activations' sum."""
        if self.activate is None:
            return projected, None
        projected, mean = projected[:, :-1], projected[:, -1:]
        return projected, at_least_float32(mean) * self.weight.shape[1]
