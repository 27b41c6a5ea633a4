"""DKD: separate losses for the target and for the other classes."""

from typing import Tuple, Union

import torch
from mmrazor.registry import MODELS
from torch import nn

from ..errors import check_choice
from .checks import check_class_indices, check_settings, check_shapes
from .logit_standardization import STANDARDIZE, standardize_logits
from .weighted_square import at_least_float32


def decoupled_kd(
    s_logits: torch.Tensor,
    t_logits: torch.Tensor,
    labels: torch.Tensor,
    tau: float = 4.0,
    alpha: float = 1.0,
    beta: float = 1.0,
    standardize: Union[bool, str] = False,
) -> torch.Tensor:
    r"""Compute the decoupled KD loss, a mean over the images.

    .. math::
        L = T^2 \frac{1}{N} \sum_n (\alpha KL(b_T || b_S)
            + \beta KL(\hat p_T || \hat p_S))

    with :math:`b = (p_{target}, 1 - p_{target})` and :math:`\hat p` the
    softmax over the classes that are not the target.

    Args:
        s_logits (torch.Tensor): The student's logits, (N, K).
        t_logits (torch.Tensor): The teacher's, (N, K). They get no gradient.
        labels (torch.Tensor): Indices of the target classes, (N, ).
        tau (float): The temperature T. Defaults to 4.0.
        alpha (float): Weight of the target's term. Defaults to 1.0.
        beta (float): Weight of the other classes' term. Defaults to 1.0.
        standardize (bool | str): The mode of :func:`standardize_logits`, which
            is applied to both first. Defaults to False.

    Returns:
        torch.Tensor: A scalar in float32 (float64 for float64 logits).
    """
    s_logits = at_least_float32(s_logits)
    t_logits = at_least_float32(t_logits).detach()
    s_logits = standardize_logits(s_logits, standardize) / tau
    t_logits = standardize_logits(t_logits, standardize) / tau
    labels = labels.view(-1, 1).long()
    s_binary, s_others = split_target(s_logits, labels)
    t_binary, t_others = split_target(t_logits, labels)
    loss = alpha * divergence(s_binary, t_binary)
    loss = loss + beta * divergence(s_others, t_others)
    return tau**2 * loss.mean()


def split_target(
    logits: torch.Tensor, labels: torch.Tensor
) -> Tuple[torch.Tensor, torch.Tensor]:
    """Return the log-probabilities of (target, not target) and other classes.

    Computed in logarithms throughout: the probability of "not target"
    underflows in a confident model, and its logarithm would be infinite.
    """
    is_target = torch.zeros_like(logits, dtype=torch.bool)
    is_target.scatter_(1, labels, True)
    others = logits.masked_fill(is_target, float('-inf'))
    binary = torch.cat(
        [logits.gather(1, labels), others.logsumexp(1, keepdim=True)], 1
    )
    # 0 for the target, which isn't compared here
    others = others.log_softmax(1).masked_fill(is_target, 0.0)
    return binary.log_softmax(1), others


def divergence(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """Compute the KL divergence of each row of log-probabilities (N, K)."""
    return (teacher.exp() * (teacher - student)).sum(1)


@MODELS.register_module()
class DecoupledKDLoss(nn.Module):
    """DKD, averaged over the images and safe for confident models.

    MMRazor's :class:`DKDLoss` sums over the batch with ``reduction='mean'``,
    as in its own config, and gives NaN as soon as a student's probability of
    all other classes underflows (a gap of 104 between logits over T). The
    warm-up of the paper is :class:`WarmupLoss`.

    This loss depends on the scale of the teacher's logits: logits six times as
    large are compared at a sixth of the temperature. ``standardize`` removes
    this; tau is then in units of the logits' standard deviation.

    Source: Zhao et al., "Decoupled Knowledge Distillation", arXiv 2203.08679,
    equation 7; ``standardize``: :func:`standardize_logits`.

    Args:
        tau (float): The temperature. Defaults to 4.0.
        alpha (float): Weight of the target's term. Defaults to 1.0.
        beta (float): Weight of the other classes' term. Defaults to 1.0.
        loss_weight (float): Weight of the loss. Defaults to 1.0.
        standardize (bool | str): Whether the logits of each image are brought
            to mean 0 and standard deviation 1 first: as the ``'paper'`` has it
            (or True), or as its authors' ``'code'``. Defaults to False.

    Raises:
        SettingError: If tau is not above 0, a weight is below 0, standardize
            is unknown, a label isn't the index of a class, such as Mixup's
            soft labels, or an image has several labels.

    Examples:
        >>> loss_dkd = dict(
        ...     type='WarmupLoss',
        ...     epochs=20,
        ...     loss=dict(type='DecoupledKDLoss', tau=4.0, beta=2.0),
        ... )
        >>> # The labels: what the head's loss is called with.
        >>> student_recorders = dict(
        ...     logits=dict(type='ModuleOutputs', source='head.fc'),
        ...     labels=dict(type='ModuleInputs', source='head.loss_module'),
        ... )
        >>> loss_forward_mappings = dict(
        ...     loss_dkd=dict(
        ...         preds_S=dict(recorder='logits', from_student=True),
        ...         preds_T=dict(recorder='logits', from_student=False),
        ...         gt_labels=dict(
        ...             recorder='labels', from_student=True, data_idx=1
        ...         ),
        ...     )
        ... )
    """

    def __init__(
        self,
        tau: float = 4.0,
        alpha: float = 1.0,
        beta: float = 1.0,
        loss_weight: float = 1.0,
        standardize: Union[bool, str] = False,
    ) -> None:
        check_choice(
            type(self).__name__, 'standardize', standardize, STANDARDIZE
        )
        super().__init__()
        self.tau = tau
        self.alpha = alpha
        self.beta = beta
        self.loss_weight = loss_weight
        self.standardize = standardize
        check_settings(self)

    def forward(
        self,
        preds_S: torch.Tensor,
        preds_T: torch.Tensor,
        gt_labels: torch.Tensor,
    ) -> torch.Tensor:
        """Compare logits (N, K) under labels (N, ); return a scalar."""
        check_shapes(self, preds_S, preds_T)
        check_class_indices(self, gt_labels, *preds_S.shape)
        return self.loss_weight * self._formula(preds_S, preds_T, gt_labels)

    def _formula(
        self, s: torch.Tensor, t: torch.Tensor, labels: torch.Tensor
    ) -> torch.Tensor:
        """Compute the loss of logits and labels, which have been checked."""
        settings = (self.tau, self.alpha, self.beta, self.standardize)
        return decoupled_kd(s, t, labels, *settings)
