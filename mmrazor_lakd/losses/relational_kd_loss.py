"""RKD: the distances and angles between the images of a batch."""

from typing import Callable

import torch
import torch.nn.functional as F
from mmrazor.registry import MODELS
from torch import nn

from .checks import check_batches, check_settings
from .lengths import nan_if_infinite
from .weighted_square import at_least_float32

EPS = 1e-12


def relative_distances(feature: torch.Tensor) -> torch.Tensor:
    r"""Compute the distances between images, relative to their mean.

    .. math:: \psi_D(i, j) = ||x_i - x_j||_2 / \mu

    with :math:`\mu` the mean over the pairs of distinct images.

    Args:
        feature (torch.Tensor): Features, (N, D).

    Returns:
        torch.Tensor: (N, N), in the type of ``feature``.
    """
    # From the differences: a matrix product would suffer from cancellation.
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
        points are equal, or less than 1e-12 apart.
    """
    difference = feature.unsqueeze(0) - feature.unsqueeze(1)
    square = nan_if_infinite(difference.square().sum(2, keepdim=True))
    # A zero vector stays zero: its gradient would be divided by 0, and that of
    # a vector shorter than 1e-13 by a number too small for float32.
    unit = difference * square.masked_fill(square < EPS**2, 1.0).rsqrt()
    with torch.autocast(feature.device.type, enabled=False):
        return torch.bmm(unit, unit.transpose(1, 2))


class _RelationalLoss(nn.Module):
    """Huber loss of a relation between the images of a batch.

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
        check_batches(self, preds_S, preds_T)
        relation = type(self).relation
        student = relation(at_least_float32(preds_S).flatten(1))
        teacher = relation(at_least_float32(preds_T).detach().flatten(1))
        return self.loss_weight * F.smooth_l1_loss(student, teacher)


@MODELS.register_module()
class RelationalDistanceLoss(_RelationalLoss):
    """The distance-wise loss of RKD, averaged over all N * N pairs.

    MMRazor's :class:`DistanceWiseRKD` normalises the features by default (the
    literature's figures are without it), computes distances by a matrix
    product, which autocast runs in half precision (small distances cancel to
    noise), and gives NaN for a batch of one image.

    Source: Park et al., "Relational Knowledge Distillation", arXiv
    1904.05068, equations 4 to 6. The paper sums over the pairs; the mean over
    all N * N of them, as in RepDistiller, goes with the weight of 25.

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
    """The angle-wise loss of RKD, averaged over all N * N * N triplets.

    MMRazor's :class:`AngleWiseRKD` normalises the features by default (the
    literature's figures are without it), gives NaN in float16, and gradients
    of 1e6 and more where a student gives two images the same features.

    Source: Park et al., "Relational Knowledge Distillation", arXiv
    1904.05068, equations 7 and 8. The paper sums over the triplets; the mean
    over all of them, as in RepDistiller, goes with the weight of 50.

    Args:
        loss_weight (float): Weight of the loss. Defaults to 50.0.

    Examples:
        >>> loss_angle = dict(type='RelationalAngleLoss')
    """

    relation = staticmethod(angles)

    def __init__(self, loss_weight: float = 50.0) -> None:
        super().__init__(loss_weight)
