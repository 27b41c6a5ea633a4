"""WKD-L: the Wasserstein distance of two networks' probabilities."""

from typing import Optional

import torch
from mmrazor.registry import MODELS
from torch import nn

from ..errors import SettingError, check_number, check_size
from .checks import (
    CONSTANT,
    check_class_indices,
    check_settings,
    check_shapes,
)
from .lengths import unit_rows
from .warmup import check_decay, cosine_decay
from .weighted_square import at_least_float32

#: what the authors' code adds to a cost and to a denominator
EPS = 1e-8
#: what rounding makes of a distance of 0, or of two equal ones
ROUNDING = 1e-4


def class_costs(weight: torch.Tensor) -> torch.Tensor:
    """Compute how far classes are apart from a classifier's weight.

    Args:
        weight (torch.Tensor): A row for each class, (K, C).

    Returns:
        torch.Tensor: One less the cosine of each pair of rows, (K, K).
    """
    rows = unit_rows(weight)
    with torch.autocast(weight.device.type, enabled=False):
        return 1 - rows @ rows.t()


def cka_costs(features: torch.Tensor) -> torch.Tensor:
    """Compute how far classes are apart from a teacher's features.

    The n-th row of one class is compared with the n-th of another, as in the
    authors' code, which takes the pixels of the last maps on CIFAR-100, and
    the logits on ImageNet.

    Args:
        features (torch.Tensor): As many rows for each class, (K, M, D).

    Returns:
        torch.Tensor: One less the linear CKA of each pair of classes, (K, K).

    Raises:
        SettingError: If all rows of a class are equal.
    """
    spread = (features.amax(1) - features.amin(1)).amax(1)
    constant = spread <= CONSTANT * features.abs().amax((1, 2))
    if constant.any():
        raise SettingError(
            f'cka_costs gets features whose rows are all equal in class '
            f'{int(constant.nonzero()[0])}, which makes its similarities 0/0; '
            f'give rows of several images, of a layer that tells them apart.'
        )
    features = features - features.mean(1, keepdim=True)
    table = torch.stack(
        [(rows.t() @ features).square().sum((1, 2)) for rows in features]
    )
    norms = table.diagonal().sqrt()
    return 1 - table / (norms * norms.view(-1, 1))


def sinkhorn_distance(
    student: torch.Tensor,
    teacher: torch.Tensor,
    costs: torch.Tensor,
    regularization: float = 0.05,
    iterations: int = 10,
) -> torch.Tensor:
    r"""Compute the cost of moving one distribution to another.

    .. math::
        d = \sum_{ij} u_i K_{ij} v_j C_{ij}, \quad K = e^{-C / \lambda}

    with u and v from Sinkhorn's iterations. A class that both give nothing
    takes part in nothing.

    Args:
        student (torch.Tensor): Probabilities, (N, K).
        teacher (torch.Tensor): Probabilities, (N, K).
        costs (torch.Tensor): C, (K, K), not negative.
        regularization (float): The weight of the entropy, lambda. Defaults to
            0.05.
        iterations (int): Their number. Defaults to 10.

    Returns:
        torch.Tensor: (N, ), in the type of the probabilities.
    """
    with torch.autocast(student.device.type, enabled=False):
        kernel = torch.exp(-costs / regularization)
        used = ((student > 0) | (teacher > 0)).to(student.dtype)
        u = used / used.sum(1, keepdim=True)
        for _ in range(iterations):
            v = teacher / (u @ kernel + EPS)
            u = student / (v @ kernel.t() + EPS)
        return ((u @ (kernel * costs)) * v).sum(1)


def wasserstein_logits(
    s_logits: torch.Tensor,
    t_logits: torch.Tensor,
    labels: torch.Tensor,
    costs: torch.Tensor,
    tau: float,
    regularization: float = 0.05,
    iterations: int = 10,
) -> torch.Tensor:
    """Compare the classes that are not the target; see WassersteinLogitsLoss.

    Args:
        s_logits (torch.Tensor): The student's logits, (N, K).
        t_logits (torch.Tensor): The teacher's, (N, K). They get no gradient.
        labels (torch.Tensor): Indices of the target classes, (N, ).
        costs (torch.Tensor): How far classes are apart, (K, K).
        tau (float): The temperature.
        regularization (float): See :func:`sinkhorn_distance`.
        iterations (int): See :func:`sinkhorn_distance`.

    Returns:
        torch.Tensor: The mean distance, a scalar in float32 (float64 for
        float64 logits).
    """
    student, teacher = (
        (at_least_float32(logits) / tau)
        .scatter(1, labels.view(-1, 1), float('-inf'))
        .softmax(1)
        for logits in (s_logits, t_logits.detach())
    )
    return sinkhorn_distance(
        student,
        teacher,
        costs.to(student).clamp(min=0) + EPS,
        regularization,
        iterations,
    ).mean()


def target_cross_entropy(
    s_logits: torch.Tensor, t_logits: torch.Tensor, labels: torch.Tensor
) -> torch.Tensor:
    """Compute the cross-entropy, weighted by the teacher's own probability.

    Args:
        s_logits (torch.Tensor): The student's logits, (N, K).
        t_logits (torch.Tensor): The teacher's, (N, K). They get no gradient.
        labels (torch.Tensor): Indices of the target classes, (N, ).

    Returns:
        torch.Tensor: A scalar in float32 (float64 for float64 logits).
    """
    labels = labels.view(-1, 1)
    student = at_least_float32(s_logits).log_softmax(1).gather(1, labels)
    teacher = at_least_float32(t_logits).softmax(1).gather(1, labels)
    return -(teacher.detach() * student).mean()


def _read(path: str) -> torch.Tensor:
    """Read a cost matrix."""
    owner = f"WassersteinLogitsLoss has cost_matrix='{path}', which"
    try:
        costs = torch.load(path, map_location='cpu', weights_only=True)
    except Exception:  # of a missing file, or of what is in it
        costs = None
    if not isinstance(costs, torch.Tensor) or costs.dim() != 2:
        raise SettingError(
            f"{owner} can't be read as a matrix; write one with "
            f'torch.save(cka_costs(features), path), or leave it out.'
        )
    held = None
    if not costs.isfinite().all():
        held = 'NaN or infinity'
    elif (costs < -ROUNDING).any():
        held = 'distances below 0'
    elif costs.shape == costs.t().shape and not torch.allclose(
        costs, costs.t(), rtol=ROUNDING, atol=ROUNDING
    ):
        held = 'other distances in one direction than in the other'
    if held:
        raise SettingError(
            f'{owner} holds {held}; write a symmetric matrix of distances '
            f'from 0 on, such as that of cka_costs(features).'
        )
    return costs


@MODELS.register_module()
class WassersteinLogitsLoss(nn.Module):
    r"""WKD-L: the cost of moving the student's probabilities to the teacher's.

    .. math:: L = L_t + w\,d(\hat p_S, \hat p_T)

    with :math:`L_t` of :func:`target_cross_entropy`, and the distance between
    the softmax over the classes that are not the target. Unlike a divergence,
    it takes into account how near two classes are to each other.

    All images share one table of K x K. The authors' code has one for each
    image, which is 128 MB for 32 of ImageNet; the result is the same.

    Source: Lv et al., "Wasserstein Distance Rivals Kullback-Leibler Divergence
    for Knowledge Distillation", arXiv 2412.08139; github.com/JiamingLv/WKD.

    Args:
        tau (float): The temperature of the distance. Defaults to 8.0.
        regularization (float): Of Sinkhorn's iterations. Defaults to 0.05.
        iterations (int): Their number. Defaults to 10.
        cost_matrix (str, optional): A file of ``torch.save`` with the
            distances of the classes, (K, K), which a training reads and
            testing doesn't. Defaults to None: those of the teacher's
            classifier, :func:`class_costs`.
        sharpen (float): The cost of a distance d is
            :math:`1 - e^{-sharpen\,d}`; 0 for d itself. Defaults to 1.0.
        target_weight (float): Weight of :math:`L_t`. Defaults to 1.0.
        decay_from (float, optional): After this fraction of the training, the
            weight of the distance falls to 0 along a cosine. Defaults to None,
            never.
        loss_weight (float): Weight of the distance. Defaults to 1.0.

    Raises:
        SettingError: If a setting is out of its range. When a training
            begins, if the file has no symmetric matrix of the classes; in a
            step, if a label isn't an index.

    Examples:
        >>> loss_wkd = dict(
        ...     type='WassersteinLogitsLoss', tau=8.0, loss_weight=600.0
        ... )
    """

    def __init__(
        self,
        tau: float = 8.0,
        regularization: float = 0.05,
        iterations: int = 10,
        cost_matrix: Optional[str] = None,
        sharpen: float = 1.0,
        target_weight: float = 1.0,
        decay_from: Optional[float] = None,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        check_number(
            name, 'regularization', regularization, above=0, example=0.05
        )
        check_number(name, 'sharpen', sharpen, minimum=0, example=1.0)
        check_number(
            name, 'target_weight', target_weight, minimum=0, example=1.0
        )
        check_size(name, 'iterations', iterations, below=10_000, example=10)
        check_decay(name, decay_from)
        self.tau = tau
        self.regularization = regularization
        self.iterations = iterations
        self.sharpen = sharpen
        self.target_weight = target_weight
        self.decay_from = decay_from
        self.loss_weight = loss_weight
        check_settings(self)
        self.cost_matrix = cost_matrix
        # No buffer: averaged models copy theirs one by one, before a step.
        self._costs: Optional[torch.Tensor] = None

    def read_files(self) -> None:
        """Read the cost matrix, unless it has been read or there is none."""
        if self.cost_matrix is not None and self._costs is None:
            self._costs = _read(self.cost_matrix)

    def forward(
        self,
        preds_S: torch.Tensor,
        preds_T: torch.Tensor,
        t_weight: torch.Tensor,
        gt_labels: torch.Tensor,
    ) -> torch.Tensor:
        """Compare logits (N, K) under labels (N, ); return a scalar.

        ``t_weight`` is the weight of the teacher's classifier, (K, C).
        """
        check_shapes(self, preds_S, preds_T)
        check_class_indices(self, gt_labels, *preds_S.shape)
        gt_labels = gt_labels.long()
        self.read_files()
        if self._costs is None:
            distances = class_costs(at_least_float32(t_weight.detach()))
        elif self._costs.shape == (preds_S.shape[1],) * 2:
            distances = self._costs = self._costs.to(preds_S.device)
        else:
            raise SettingError(
                f'{type(self).__name__} has a cost_matrix of the shape '
                f'{tuple(self._costs.shape)} for {preds_S.shape[1]} classes; '
                f'name a file with the distances of all pairs of classes, or '
                f"leave it out for those of the teacher's classifier."
            )
        if self.sharpen:
            distances = 1 - torch.exp(-self.sharpen * distances)
        distance = wasserstein_logits(
            preds_S,
            preds_T,
            gt_labels,
            distances,
            self.tau,
            self.regularization,
            self.iterations,
        )
        weight = self.loss_weight * cosine_decay(self.decay_from)
        target = target_cross_entropy(preds_S, preds_T, gt_labels)
        return self.target_weight * target + weight * distance
