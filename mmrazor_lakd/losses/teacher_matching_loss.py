"""TTM and WTTM: the student's own softmax against a softened teacher's."""

import torch
from mmrazor.registry import MODELS
from torch import nn

from ..errors import check_number
from .checks import check_settings, check_shapes
from .decoupled_kd_loss import divergence
from .weighted_square import at_least_float32


def teacher_matching(
    s_logits: torch.Tensor,
    t_logits: torch.Tensor,
    gamma: float,
    weighted: bool = True,
) -> torch.Tensor:
    r"""Compute the loss of (weighted) transformed teacher matching.

    .. math::
        L = \frac{1}{N} \sum_n U_n KL(p^\gamma / U || q), \quad
        U = \sum_k p_k^\gamma

    with p the teacher's softmax and q the student's. :math:`p^\gamma / U` is
    the teacher's softmax at a temperature of :math:`1 / \gamma`; the student
    has none. U is 1 for a teacher that is certain and
    :math:`K^{1 - \gamma}` for one that knows nothing.

    Computed in logarithms: in float32, a probability of a confident teacher
    underflows to 0, its power with it.

    Args:
        s_logits (torch.Tensor): The student's logits, (N, K).
        t_logits (torch.Tensor): The teacher's, (N, K). They get no gradient.
        gamma (float): The exponent, the inverse of the temperature.
        weighted (bool): Whether each image's divergence is weighted by U
            (WTTM) or not (TTM). Defaults to True.

    Returns:
        torch.Tensor: A scalar in float32 (float64 for float64 logits).
    """
    student = at_least_float32(s_logits).log_softmax(1)
    powers = gamma * at_least_float32(t_logits).detach().log_softmax(1)
    teacher = powers.log_softmax(1)
    loss = divergence(student, teacher)
    if weighted:
        loss = loss * powers.logsumexp(1).exp()
    return loss.mean()


@MODELS.register_module()
class TeacherMatchingLoss(nn.Module):
    """WTTM: the student's own softmax against a softened teacher's.

    The temperature is the teacher's alone, which regularises the student's
    outputs. Images on which the teacher is uncertain weigh more.

    Source: Zheng and Yang, "Knowledge Distillation Based on Transformed
    Teacher Matching", arXiv 2402.11148, equation 23, and without the weights,
    TTM, equation 2. Their code agrees.

    Args:
        gamma (float): The exponent, the inverse of the teacher's temperature.
            Defaults to 0.3.
        weighted (bool): Whether images are weighted (WTTM) or not (TTM).
            Defaults to True.
        loss_weight (float): Weight of the loss, beta. Defaults to 1.0.

    Raises:
        SettingError: If gamma is not above 0, or the weight is below 0.

    Examples:
        >>> loss_wttm = dict(
        ...     type='TeacherMatchingLoss', gamma=0.3, loss_weight=1.5
        ... )
    """

    def __init__(
        self,
        gamma: float = 0.3,
        weighted: bool = True,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        check_number(type(self).__name__, 'gamma', gamma, above=0, example=0.3)
        self.gamma = gamma
        self.weighted = weighted
        self.loss_weight = loss_weight
        check_settings(self)

    def forward(
        self, preds_S: torch.Tensor, preds_T: torch.Tensor
    ) -> torch.Tensor:
        """Compare logits (N, K) and (N, K); return a scalar."""
        check_shapes(self, preds_S, preds_T)
        loss = teacher_matching(preds_S, preds_T, self.gamma, self.weighted)
        return self.loss_weight * loss
