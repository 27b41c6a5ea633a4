"""SRRL: what the teacher's classifier makes of the student's features."""

from typing import Optional, Tuple

import torch
import torch.nn.functional as F
from mmrazor.registry import MODELS
from torch import nn

from .checks import check_channels, check_settings
from .weighted_square import at_least_float32


def softmax_regression(
    s_feature: torch.Tensor,
    t_feature: torch.Tensor,
    weight: torch.Tensor,
    bias: Optional[torch.Tensor] = None,
) -> Tuple[torch.Tensor, torch.Tensor]:
    r"""Compare pooled features, and what one classifier makes of both.

    .. math::
        L_{FM} = \frac{1}{NC} ||h_S - h_T||^2, \quad
        L_{SR} = \frac{1}{NK} ||W h_S - W h_T||^2

    with :math:`h` the means of a map over its positions.

    Args:
        s_feature (torch.Tensor): The student's map, with the width of the
            teacher's, (N, C, H, W).
        t_feature (torch.Tensor): The teacher's map, (N, C, H', W').
        weight (torch.Tensor): Weight of the teacher's classifier, (K, C).
        bias (torch.Tensor, optional): Its bias, (K,). Defaults to None. The
            teacher's map and classifier get no gradient.

    Returns:
        tuple[torch.Tensor, torch.Tensor]: Both as scalars in float32 (float64
        for float64 maps).
    """
    student, teacher = (
        at_least_float32(feature).flatten(2).mean(2)
        for feature in (s_feature, t_feature.detach())
    )
    classifier = [
        None if part is None else part.detach().to(student.dtype)
        for part in (weight, bias)
    ]
    with torch.autocast(student.device.type, enabled=False):
        s_logits, t_logits = (
            F.linear(pooled, *classifier) for pooled in (student, teacher)
        )
    return F.mse_loss(student, teacher), F.mse_loss(s_logits, t_logits)


@MODELS.register_module()
class SoftmaxRegressionLoss(nn.Module):
    """SRRL: the teacher's classifier judges the student's features.

    For the student's map behind a connector to the teacher's width, and the
    teacher's map, both before pooling. The student's own classifier learns
    from the labels alone, and the numbers of classes may differ.

    Source: Yang et al., "Knowledge Distillation via Softmax Regression
    Representation Learning", ICLR 2021, with the squared difference of the
    logits, and as in the authors' code.

    Args:
        alpha (float): Weight of the features. Defaults to 1.0.
        beta (float): Weight of the logits. Defaults to 1.0.
        loss_weight (float): Weight of both. Defaults to 1.0.

    Raises:
        SettingError: If a weight is below 0.

    Examples:
        >>> loss_srrl = dict(type='SoftmaxRegressionLoss', beta=1.0)
    """

    def __init__(
        self, alpha: float = 1.0, beta: float = 1.0, loss_weight: float = 1.0
    ) -> None:
        super().__init__()
        self.alpha = alpha
        self.beta = beta
        self.loss_weight = loss_weight
        check_settings(self)

    def forward(
        self,
        s_feature: torch.Tensor,
        t_feature: torch.Tensor,
        weight: torch.Tensor,
        bias: Optional[torch.Tensor] = None,
    ) -> torch.Tensor:
        """Compare maps; see :func:`softmax_regression`. Return a scalar."""
        check_channels(self, s_feature, t_feature)
        matching, regression = softmax_regression(
            s_feature, t_feature, weight, bias
        )
        return self.loss_weight * (
            self.alpha * matching + self.beta * regression
        )
