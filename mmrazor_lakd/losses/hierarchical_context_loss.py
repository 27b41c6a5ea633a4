"""ReviewKD's loss: maps compared at several scales."""

from typing import Sequence

import torch
import torch.nn.functional as F
from mmrazor.registry import MODELS
from torch import nn

from ..errors import SettingError
from .checks import check_settings
from .weighted_square import at_least_float32

# Sizes to which a larger map is pooled.
LEVELS = (4, 2, 1)


def hierarchical_context(
    s_feature: torch.Tensor, t_feature: torch.Tensor
) -> torch.Tensor:
    r"""Compare two maps at their own size and pooled to 4, 2 and 1.

    .. math::
        L = \frac{\sum_k 2^{-k} MSE(pool_k(F_S), pool_k(F_T))}
            {\sum_k 2^{-k}}

    with k = 0 for the map itself and one more for each size below the map's
    height, as in the authors' code: a smaller width is repeated.

    Args:
        s_feature (torch.Tensor): The student's map, (N, C, H, W).
        t_feature (torch.Tensor): The teacher's map, of the same shape. It gets
            no gradient.

    Returns:
        torch.Tensor: A scalar in float32 (float64 for float64 maps).
    """
    s_feature = at_least_float32(s_feature)
    t_feature = at_least_float32(t_feature).detach()
    loss = F.mse_loss(s_feature, t_feature)
    weight = total = 1.0
    for level in LEVELS:
        if level >= s_feature.shape[-2]:
            continue
        weight /= 2
        total += weight
        loss = loss + weight * F.mse_loss(
            F.adaptive_avg_pool2d(s_feature, level),
            F.adaptive_avg_pool2d(t_feature, level),
        )
    return loss / total


@MODELS.register_module()
class HierarchicalContextLoss(nn.Module):
    """ReviewKD's hierarchical context loss, summed over the stages.

    Source: Chen et al., "Distilling Knowledge via Knowledge Review", arXiv
    2104.09044, section 3.3; the weights of the levels are those of the
    authors' code, github.com/dvlab-research/ReviewKD. MMRazor has no
    ReviewKD.

    Args:
        loss_weight (float): Weight of the loss. Defaults to 1.0.

    Raises:
        SettingError: If the weight is below 0, or the maps differ in number or
            shape.

    Examples:
        >>> loss_review = dict(
        ...     type='WarmupLoss',
        ...     epochs=20,
        ...     loss=dict(type='HierarchicalContextLoss', loss_weight=0.6),
        ... )
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        check_settings(self)

    def forward(
        self,
        s_features: Sequence[torch.Tensor],
        t_features: Sequence[torch.Tensor],
    ) -> torch.Tensor:
        """Compare lists of maps (N, C, H, W) of equal shapes."""
        s_shapes = [tuple(feature.shape) for feature in s_features]
        t_shapes = [tuple(feature.shape) for feature in t_features]
        if s_shapes != t_shapes:
            raise SettingError(
                f'HierarchicalContextLoss compares maps of equal shapes, but '
                f"the student's are {s_shapes} and the teacher's {t_shapes}; "
                f"bring the student's there with "
                f"connector=dict(type='ReviewConnector')."
            )
        return self.loss_weight * sum(
            hierarchical_context(*pair) for pair in zip(s_features, t_features)
        )
