"""RKD: how the images of a batch lie to each other."""

from typing import Callable

import torch
import torch.nn.functional as F
from mmrazor.registry import MODELS
from torch import nn

from .checks import check_settings
from .weighted_square import at_least_float32

EPS = 1e-12


def relative_distances(feature: torch.Tensor) -> torch.Tensor:
    r"""Compute distances of images, relative to their mean.

    .. math:: \psi_D(i, j) = ||x_i - x_j||_2 / \mu

    with :math:`\mu` the mean over the pairs of distinct images.

    Args:
        feature (torch.Tensor): Features, (N, D).

    Returns:
        torch.Tensor: (N, N), in the type of ``feature``.
    """
    # Of the differences, not through a matrix product: that one cancels.
    distance = torch.cdist(
        feature, feature, compute_mode='donot_use_mm_for_euclid_dist'
    )
    pairs = max(len(feature) * (len(feature) - 1), 1)
    return distance / (distance.sum() / pairs).clamp(min=EPS)


def angles(feature: torch.Tensor) -> torch.Tensor:
    r"""Compute the cosines of the angles that three images form.

    .. math:: \psi_A(j, i, k) = <e_{ij}, e_{ik}>,
        \quad e_{ij} = (x_j - x_i) / ||x_j - x_i||_2

    Args:
        feature (torch.Tensor): Features, (N, D).

    Returns:
        torch.Tensor: (N, N, N), with the vertex i first; 0 where two of the
        points are one, or less than 1e-12 apart.
    """
    difference = feature.unsqueeze(0) - feature.unsqueeze(1)
    square = difference.square().sum(2, keepdim=True)
    # A zero vector stays one: its gradient would be divided by 0, and that of
    # one below 1e-13 by a number that float32 doesn't hold.
    unit = difference * square.masked_fill(square < EPS**2, 1.0).rsqrt()
    with torch.autocast(feature.device.type, enabled=False):
        return torch.bmm(unit, unit.transpose(1, 2))


class _RelationalLoss(nn.Module):
    """Huber's loss of a relation between the images of a batch.

    Args:
        loss_weight (float): Weight of the loss.
    """

    relation: Callable[[torch.Tensor], torch.Tensor]

    def __init__(self, loss_weight: float) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        check_settings(self)

    def forward(
        self, preds_S: torch.Tensor, preds_T: torch.Tensor
    ) -> torch.Tensor:
        """Compare features (N, ...) and (N, ...); return a scalar."""
        relation = type(self).relation
        student = relation(at_least_float32(preds_S).flatten(1))
        teacher = relation(at_least_float32(preds_T).detach().flatten(1))
        return self.loss_weight * F.smooth_l1_loss(student, teacher)


@MODELS.register_module()
class RelationalDistanceLoss(_RelationalLoss):
    """The distance-wise loss of RKD, a mean over all N * N pairs.

    MMRazor's :class:`DistanceWiseRKD` normalises the features first unless
    told otherwise (the literature's figures are without it), takes distances
    from a matrix product, which autocast computes in half precision
    (distances of neighbours cancel to noise), and gives NaN for a batch of
    one image.

    Source: Park et al., "Relational Knowledge Distillation", arXiv
    1904.05068, equations 4 to 6. The paper sums over the pairs; the mean over
    all N * N of them, as in RepDistiller, belongs to the weight of 25.

    Args:
        loss_weight (float): Weight of the loss. Defaults to 25.0.

    Examples:
        >>> loss_distance = dict(type='RelationalDistanceLoss')
    """

    relation = staticmethod(relative_distances)

    def __init__(self, loss_weight: float = 25.0) -> None:
        super().__init__(loss_weight)


@MODELS.register_module()
class RelationalAngleLoss(_RelationalLoss):
    """The angle-wise loss of RKD, a mean over all N * N * N triplets.

    MMRazor's :class:`AngleWiseRKD` normalises the features first unless told
    otherwise (the literature's figures are without it), gives NaN in float16,
    and a gradient of 1e6 and more where a student gives two images the same
    features.

    Source: Park et al., "Relational Knowledge Distillation", arXiv
    1904.05068, equations 7 and 8. The paper sums over the triplets; the mean
    over all of them, as in RepDistiller, belongs to the weight of 50.

    Args:
        loss_weight (float): Weight of the loss. Defaults to 50.0.

    Examples:
        >>> loss_angle = dict(type='RelationalAngleLoss')
    """

    relation = staticmethod(angles)

    def __init__(self, loss_weight: float = 50.0) -> None:
        super().__init__(loss_weight)
