"""Attention transfer (AT)."""

from typing import Tuple

import torch
import torch.nn.functional as F
from mmrazor.registry import MODELS
from torch import nn

from .checks import check_batches, check_settings
from .lengths import unit_rows


def attention_map(feature: torch.Tensor, p: float = 2) -> torch.Tensor:
    r"""Compute the attention map of a feature map, as a unit vector.

    .. math:: Q = vec(F) / ||vec(F)||_2, \quad F = mean_c |A_c|^p

    Args:
        feature (torch.Tensor): A feature map, (N, C, H, W).
        p (float): The power. Defaults to 2.

    Returns:
        torch.Tensor: (N, H * W), in float32 (float64 for float64 maps).
    """
    dtype = torch.promote_types(feature.dtype, torch.float32)
    # As a norm, autograd needs the map alone: no power of it in float32.
    norm = torch.linalg.vector_norm(feature, p, dim=1, dtype=dtype)
    return unit_rows((norm.pow(p) / feature.shape[1]).flatten(1))


def pool_larger(
    s_feature: torch.Tensor, t_feature: torch.Tensor
) -> Tuple[torch.Tensor, torch.Tensor]:
    """Average-pool the larger of two maps to the height and width of both."""
    if s_feature.shape[-2:] == t_feature.shape[-2:]:
        return s_feature, t_feature
    pairs = zip(s_feature.shape[-2:], t_feature.shape[-2:])
    size = tuple(min(pair) for pair in pairs)
    return (
        F.adaptive_avg_pool2d(s_feature, size),
        F.adaptive_avg_pool2d(t_feature, size),
    )


def attention_transfer(
    s_feature: torch.Tensor, t_feature: torch.Tensor, p: float = 2
) -> torch.Tensor:
    """Compute the mean squared difference of two attention maps.

    Args:
        s_feature (torch.Tensor): The student's map, (N, C, H, W).
        t_feature (torch.Tensor): The teacher's map, (N, C', H', W'). It gets
            no gradient. The larger map is pooled to the smaller one.
        p (float): The power. Defaults to 2.

    Returns:
        torch.Tensor: A scalar in float32 (float64 for float64 maps).
    """
    s_feature, t_feature = pool_larger(s_feature, t_feature.detach())
    difference = attention_map(s_feature, p) - attention_map(t_feature, p)
    return difference.square().mean()


@MODELS.register_module()
class AttentionTransferLoss(nn.Module):
    """Attention transfer, for maps of any two sizes.

    For p = 2 and maps of equal size it is MMRazor's :class:`ATLoss` in
    float32; the latter has no p, refuses maps of unequal sizes, and in float16
    gives NaN for a map of zeros and overflows at activations above 256.

    The paper uses the norm of the difference, with a weight of beta / 2; its
    authors' code, and all published tables, use the mean of the squares, as
    here.

    Source: Zagoruyko and Komodakis, "Paying More Attention to Attention",
    arXiv 1612.03928, equation 2; github.com/szagoruyko/attention-transfer.

    Args:
        loss_weight (float): Weight of the loss; 1000 in the literature.
            Defaults to 1.0.
        p (float): The power of the activations. Defaults to 2.

    Raises:
        SettingError: If p is below 1, or the weight below 0.

    Examples:
        >>> loss_at1 = dict(type='AttentionTransferLoss', loss_weight=1000.0)
    """

    def __init__(self, loss_weight: float = 1.0, p: float = 2) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.p = p
        check_settings(self)

    def forward(
        self, s_feature: torch.Tensor, t_feature: torch.Tensor
    ) -> torch.Tensor:
        """Compare maps (N, C, H, W) and (N, C', H', W')."""
        check_batches(self, s_feature, t_feature)
        loss = attention_transfer(s_feature, t_feature, self.p)
        return self.loss_weight * loss
