"""SP and PKT: how similar the images of a batch are to each other."""

import torch
import torch.nn.functional as F
from mmrazor.registry import MODELS
from torch import nn

from .checks import check_batches, check_settings
from .lengths import row_lengths, unit_rows
from .weighted_square import at_least_float32

#: what the code of PKT adds to a norm and to a probability
EPS = 1e-7


def gram(feature: torch.Tensor) -> torch.Tensor:
    """Compute the products of all pairs of rows, (N, D) to (N, N).

    In the precision of the rows under autocast, too.
    """
    with torch.autocast(feature.device.type, enabled=False):
        return feature @ feature.t()


def similarity_preserving(
    s_feature: torch.Tensor, t_feature: torch.Tensor
) -> torch.Tensor:
    r"""Compare the similarities within a batch, row by row.

    .. math::
        L = \frac{1}{N^2} ||\tilde G_T - \tilde G_S||_F^2, \quad
        G = F F^\top, \quad \tilde G_i = G_i / ||G_i||_2

    Args:
        s_feature (torch.Tensor): The student's features or map, (N, ...).
        t_feature (torch.Tensor): The teacher's, (N, ...), of any size. It gets
            no gradient.

    Returns:
        torch.Tensor: A scalar in float32 (float64 for float64 features).
    """
    student = at_least_float32(s_feature).flatten(1)
    teacher = at_least_float32(t_feature).detach().flatten(1)
    return F.mse_loss(unit_rows(gram(student)), unit_rows(gram(teacher)))


def neighbour_probabilities(feature: torch.Tensor) -> torch.Tensor:
    r"""Compute the probability that an image chooses another as neighbour.

    .. math::
        p_{j|i} = K_{ij} / \sum_k K_{ik}, \quad
        K_{ij} = (\cos(x_i, x_j) + 1) / 2

    Args:
        feature (torch.Tensor): Features, (N, D).

    Returns:
        torch.Tensor: (N, N), in the type of ``feature``; each row sums to 1.
        An image is among its own neighbours.
    """
    kernel = (gram(feature / (row_lengths(feature) + EPS)) + 1) / 2
    return kernel / kernel.sum(1, keepdim=True)


def probabilistic_transfer(
    s_feature: torch.Tensor, t_feature: torch.Tensor
) -> torch.Tensor:
    r"""Compute the divergence of the neighbours' probabilities.

    .. math::
        L = \frac{1}{N^2} \sum_{i,j} p^T_{j|i} \ln(p^T_{j|i} / p^S_{j|i})

    Args:
        s_feature (torch.Tensor): The student's features, (N, ...).
        t_feature (torch.Tensor): The teacher's, (N, ...), of any width. They
            get no gradient.

    Returns:
        torch.Tensor: A scalar in float32 (float64 for float64 features).
    """
    student, teacher = (
        neighbour_probabilities(feature.flatten(1))
        for feature in (
            at_least_float32(s_feature),
            at_least_float32(t_feature).detach(),
        )
    )
    ratio = ((teacher + EPS) / (student + EPS)).log()
    return (teacher * ratio).mean()


@MODELS.register_module()
class SimilarityPreservingLoss(nn.Module):
    """SP: the similarities of a batch's images, from a map or features.

    Student and teacher may differ in width and size.

    Source: Tung and Mori, "Similarity-Preserving Knowledge Distillation",
    arXiv 1907.09682, as in RepDistiller, which says that the author has
    verified it.

    Args:
        loss_weight (float): Weight of the loss. Defaults to 3000.0.

    Raises:
        SettingError: If the weight is below 0.

    Examples:
        >>> loss_sp = dict(type='SimilarityPreservingLoss')
    """

    def __init__(self, loss_weight: float = 3000.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        check_settings(self)

    def forward(
        self, s_feature: torch.Tensor, t_feature: torch.Tensor
    ) -> torch.Tensor:
        """Compare features (N, ...) and (N, ...); return a scalar."""
        check_batches(self, s_feature, t_feature)
        return self.loss_weight * similarity_preserving(s_feature, t_feature)


@MODELS.register_module()
class ProbabilisticTransferLoss(nn.Module):
    """PKT: the probabilities that images of a batch are neighbours.

    Student and teacher may differ in width.

    Source: Passalis and Tefas, "Learning Deep Representations with
    Probabilistic Knowledge Transfer", arXiv 1803.10837, as in the authors'
    code, with the cosine kernel, and in RepDistiller.

    Args:
        loss_weight (float): Weight of the loss. Defaults to 30000.0.

    Raises:
        SettingError: If the weight is below 0.

    Examples:
        >>> loss_pkt = dict(type='ProbabilisticTransferLoss')
    """

    def __init__(self, loss_weight: float = 30000.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        check_settings(self)

    def forward(
        self, preds_S: torch.Tensor, preds_T: torch.Tensor
    ) -> torch.Tensor:
        """Compare features (N, ...) and (N, ...); return a scalar."""
        check_batches(self, preds_S, preds_T)
        return self.loss_weight * probabilistic_transfer(preds_S, preds_T)
