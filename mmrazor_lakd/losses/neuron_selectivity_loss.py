"""NST: which places the channels of two maps select."""

import torch
from mmrazor.registry import MODELS
from torch import nn

from .attention_transfer_loss import pool_larger
from .checks import check_batches, check_settings
from .lengths import unit_rows
from .weighted_square import at_least_float32


def kernel_mean(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    r"""Compute the mean of :math:`(a_i^\top b_j)^2` over all channels.

    From the products of channels, or from those of pixels, whichever are
    fewer: the sum is also that of the elements of
    :math:`(A^\top A) \odot (B^\top B)`.

    Args:
        a (torch.Tensor): Channels, (N, C, P).
        b (torch.Tensor): Channels, (N, C', P).

    Returns:
        torch.Tensor: A scalar; in the precision of the channels under
        autocast, too.
    """
    pairs, pixels = a.shape[1] * b.shape[1], a.shape[2]
    with torch.autocast(a.device.type, enabled=False):
        if pairs <= pixels**2:
            return (a @ b.mT).square().mean()
        return ((a.mT @ a) * (b.mT @ b)).sum() / (len(a) * pairs)


def neuron_selectivity(
    s_feature: torch.Tensor, t_feature: torch.Tensor
) -> torch.Tensor:
    r"""Compute the maximum mean discrepancy of the channels of two maps.

    .. math::
        L = mean_n \left(mean_{ij} k(t_i, t_j) + mean_{ij} k(s_i, s_j)
            - 2\,mean_{ij} k(s_i, t_j)\right), \quad k(x, y) = (x^\top y)^2

    A sample is the map of a channel, as a vector of length 1.

    Args:
        s_feature (torch.Tensor): The student's map, (N, C, H, W).
        t_feature (torch.Tensor): The teacher's map, (N, C', H', W'). It gets
            no gradient. The larger map is pooled to the smaller one.

    Returns:
        torch.Tensor: A scalar in float32 (float64 for float64 maps).
    """
    student, teacher = (
        unit_rows(feature.flatten(2))
        for feature in pool_larger(
            at_least_float32(s_feature), at_least_float32(t_feature).detach()
        )
    )
    return (
        kernel_mean(teacher, teacher)
        + kernel_mean(student, student)
        - 2 * kernel_mean(student, teacher)
    )


@MODELS.register_module()
class NeuronSelectivityLoss(nn.Module):
    """NST: which places the channels of two maps select.

    The maps' widths may differ. The kernel is the polynomial one of degree 2,
    which the literature's figures are from.

    Source: Huang and Wang, "Like What You Like: Knowledge Distill via Neuron
    Selectivity Transfer", arXiv 1707.01219.

    Args:
        loss_weight (float): Weight of the loss; 50 in the literature. Defaults
            to 1.0.

    Raises:
        SettingError: If the weight is below 0.

    Examples:
        >>> loss_nst = dict(type='NeuronSelectivityLoss', loss_weight=50.0)
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        check_settings(self)

    def forward(
        self, s_feature: torch.Tensor, t_feature: torch.Tensor
    ) -> torch.Tensor:
        """Compare maps (N, C, H, W) and (N, C', H', W'); return a scalar."""
        check_batches(self, s_feature, t_feature)
        return self.loss_weight * neuron_selectivity(s_feature, t_feature)
