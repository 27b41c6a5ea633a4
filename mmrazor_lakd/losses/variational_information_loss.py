"""VID: the likelihood of the teacher's map, given the student's."""

from typing import Tuple

import torch
import torch.nn.functional as F
from mmrazor.registry import MODELS
from torch import nn

from .checks import check_channels, check_settings
from .weighted_square import at_least_float32


def variational_information(
    mean: torch.Tensor, variance: torch.Tensor, t_feature: torch.Tensor
) -> torch.Tensor:
    r"""Compute the negative log-likelihood of a map, less its constant.

    .. math::
        L = mean_{n,c,h,w} \frac{1}{2} \left(\ln \sigma_c^2
            + (t - \mu)^2 / \sigma_c^2\right)

    It is below 0 for a good prediction, whose variance is below 1.

    Args:
        mean (torch.Tensor): The mean that the student predicts,
            (N, C, H, W).
        variance (torch.Tensor): The variance of each channel, (C, ).
        t_feature (torch.Tensor): The teacher's map, (N, C, H', W'), which is
            pooled to the mean's size. It gets no gradient.

    Returns:
        torch.Tensor: A scalar in float32 (float64 for float64 maps).
    """
    t_feature = at_least_float32(t_feature).detach()
    if t_feature.shape[-2:] != mean.shape[-2:]:
        t_feature = F.adaptive_avg_pool2d(t_feature, mean.shape[-2:])
    variance = at_least_float32(variance)
    square = (at_least_float32(mean) - t_feature).square().mean((0, 2, 3))
    return (variance.log() + square / variance).mean() / 2


@MODELS.register_module()
class VariationalInformationLoss(nn.Module):
    """VID: the likelihood of the teacher's map, given the student's.

    The student's map goes through a :class:`~mmrazor_lakd.connectors.
    GaussianConnector`, which predicts the mean and learns the variance.
    Maximising the likelihood maximises a lower bound of the mutual information
    of the two maps.

    Source: Ahn et al., "Variational Information Distillation for Knowledge
    Transfer", arXiv 1904.05835; a mean over the elements, as in the code that
    the literature's figures are from (github.com/HobbitLong/RepDistiller).

    Args:
        loss_weight (float): Weight of the loss. Defaults to 1.0.

    Raises:
        SettingError: If the weight is below 0.

    Examples:
        >>> loss_vid = dict(type='VariationalInformationLoss')
        >>> connectors = dict(gaussian=dict(type='GaussianConnector'))
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        check_settings(self)

    def forward(
        self,
        s_feature: Tuple[torch.Tensor, torch.Tensor],
        t_feature: torch.Tensor,
    ) -> torch.Tensor:
        """Compare (mean, variance) with a map (N, C, H, W); return a scalar.

        The connector returns the first two, see
        :func:`variational_information`.
        """
        check_channels(self, s_feature[0], t_feature)
        loss = variational_information(*s_feature, t_feature)
        return self.loss_weight * loss
