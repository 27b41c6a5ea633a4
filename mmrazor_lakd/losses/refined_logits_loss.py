"""RLD: logits of a teacher that the labels correct."""

import torch
from mmrazor.registry import MODELS

from .decoupled_kd_loss import DecoupledKDLoss, divergence, split_target
from .weighted_square import at_least_float32


def refined_logits(
    s_logits: torch.Tensor,
    t_logits: torch.Tensor,
    labels: torch.Tensor,
    tau: float = 4.0,
    alpha: float = 1.0,
    beta: float = 1.0,
) -> torch.Tensor:
    r"""Compute the loss of refined logit distillation, a mean over the images.

    .. math::
        L = T^2 \frac{1}{N} \sum_n (\alpha KL(b_T || b_S)
            + \beta KL(\hat p_T || \hat p_S))

    with :math:`b_T = (p_{max}, 1 - p_{max})` of the teacher, whatever its most
    probable class, :math:`b_S = (p_{target}, 1 - p_{target})` of the student,
    and :math:`\hat p` the softmax over the classes to which the teacher gives
    less than to the target.

    Args:
        s_logits (torch.Tensor): The student's logits, (N, K).
        t_logits (torch.Tensor): The teacher's, (N, K). They get no gradient.
        labels (torch.Tensor): Indices of the target classes, (N, ).
        tau (float): The temperature T. Defaults to 4.0.
        alpha (float): Weight of the confidence's term. Defaults to 1.0.
        beta (float): Weight of the other classes' term. Defaults to 1.0.

    Returns:
        torch.Tensor: A scalar in float32 (float64 for float64 logits).
    """
    s_logits = at_least_float32(s_logits) / tau
    t_logits = at_least_float32(t_logits).detach() / tau
    labels = labels.view(-1, 1).long()
    confidence = divergence(
        split_target(s_logits, labels)[0],
        split_target(t_logits, t_logits.argmax(1, keepdim=True))[0],
    )
    hidden = t_logits >= t_logits.gather(1, labels)
    others = divergence(
        _log_softmax(s_logits, hidden), _log_softmax(t_logits, hidden)
    )
    return tau**2 * (alpha * confidence + beta * others).mean()


def _log_softmax(logits: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    """Compute the log-softmax of what isn't hidden; 0 for what is."""
    # not -inf, whose softmax is NaN where everything is hidden
    lowest = torch.finfo(logits.dtype).min
    log_softmax = logits.masked_fill(hidden, lowest).log_softmax(1)
    return log_softmax.masked_fill(hidden, 0.0)


@MODELS.register_module()
class RefinedLogitsLoss(DecoupledKDLoss):
    """RLD: logits of a teacher that the labels correct.

    Where the teacher is wrong, the student learns its confidence for the right
    class, and nothing of the classes that the teacher prefers to it. The
    warm-up of the authors' code is :class:`WarmupLoss`.

    Source: Sun et al., "Knowledge Distillation with Refined Logits", arXiv
    2408.07703; github.com/zju-SWJ/RLD, with one temperature for both terms
    (``--same-t``).

    Args:
        tau (float): The temperature. Defaults to 4.0.
        alpha (float): Weight of the confidence's term. Defaults to 1.0.
        beta (float): Weight of the other classes' term. Defaults to 1.0.
        loss_weight (float): Weight of the loss. Defaults to 1.0.

    Raises:
        SettingError: If tau is not above 0, a weight is below 0, a label isn't
            an index, such as Mixup's soft labels, or an image has several
            labels.

    Examples:
        >>> # with the labels as in DecoupledKDLoss
        >>> loss_rld = dict(
        ...     type='WarmupLoss',
        ...     epochs=20,
        ...     loss=dict(type='RefinedLogitsLoss', tau=4.0, beta=8.0),
        ... )
    """

    def __init__(
        self,
        tau: float = 4.0,
        alpha: float = 1.0,
        beta: float = 1.0,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__(tau, alpha, beta, loss_weight)

    def _formula(
        self, s: torch.Tensor, t: torch.Tensor, labels: torch.Tensor
    ) -> torch.Tensor:
        return refined_logits(s, t, labels, self.tau, self.alpha, self.beta)
