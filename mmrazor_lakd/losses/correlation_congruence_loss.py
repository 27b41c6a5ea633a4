"""CC: the correlations between the images of a batch."""

import math

import torch
import torch.nn.functional as F
from mmrazor.registry import MODELS
from torch import nn

from ..errors import check_choice, check_number, check_size
from .batch_similarity_loss import gram
from .checks import check_batches, check_settings, check_shapes
from .lengths import unit_rows
from .weighted_square import at_least_float32


def neighbour_congruence(
    s_feature: torch.Tensor, t_feature: torch.Tensor
) -> torch.Tensor:
    r"""Multiply the differences of each image with those of the next one.

    .. math::
        L = \frac{1}{N - 1} \sum_{n < N} \delta_n^\top \delta_{n + 1}, \quad
        \delta_n = |s_n - t_n|

    Args:
        s_feature (torch.Tensor): The student's embeddings, (N, D).
        t_feature (torch.Tensor): The teacher's, (N, D).

    Returns:
        torch.Tensor: A scalar in float32 (float64 for float64 embeddings); 0
        for a single image.
    """
    delta = (at_least_float32(s_feature) - at_least_float32(t_feature)).abs()
    return (delta[:-1] * delta[1:]).sum() / max(len(delta) - 1, 1)


def correlations(
    feature: torch.Tensor, gamma: float, order: int
) -> torch.Tensor:
    r"""Compute the correlations of a batch by a Gaussian kernel.

    .. math::
        C_{ij} = \sum_{p=0}^P e^{-2 \gamma} \frac{(2 \gamma)^p}{p!}
            (x_i^\top x_j)^p

    with :math:`x` of length 1: the Taylor series, up to the order P, of
    :math:`e^{-\gamma ||x_i - x_j||^2}`.

    Args:
        feature (torch.Tensor): Embeddings, (N, D).
        gamma (float): The inverse of the kernel's width.
        order (int): P.

    Returns:
        torch.Tensor: (N, N), in float32 (float64 for float64 embeddings).
    """
    cosines = gram(unit_rows(at_least_float32(feature)))
    terms = (
        (2 * gamma * cosines) ** power / math.factorial(power)
        for power in range(order + 1)
    )
    return math.exp(-2 * gamma) * sum(terms)


@MODELS.register_module()
class CorrelationCongruenceLoss(nn.Module):
    r"""CC: the correlations between the images of a batch.

    Of embeddings, for which both networks have an
    :class:`~mmrazor_lakd.connectors.EmbeddingConnector`. The teacher's is
    trained as well, so that its embeddings get a gradient.

    Paper and code differ. The ``'paper'`` takes the mean squared difference of
    all :func:`correlations`. The ``'code'`` from its authors in RepDistiller,
    which the literature's figures are from, multiplies each image's difference
    with the next one's, see :func:`neighbour_congruence`.

    Source: Peng et al., "Correlation Congruence for Knowledge Distillation",
    arXiv 1904.01802; github.com/HobbitLong/RepDistiller.

    Args:
        mode (str): ``'code'`` or ``'paper'``. Defaults to ``'code'``.
        gamma (float): Of the paper's kernel. Defaults to 0.4.
        order (int): Of the paper's Taylor series. Defaults to 2.
        loss_weight (float): Weight of the loss; 0.02 in RepDistiller. Defaults
            to 1.0.

    Raises:
        SettingError: If the mode is unknown, gamma is not above 0, the order
            is below 1, or the weight is below 0.

    Examples:
        >>> loss_cc = dict(type='CorrelationCongruenceLoss', loss_weight=0.02)
        >>> connectors = dict(
        ...     student_embedding=dict(type='EmbeddingConnector'),
        ...     teacher_embedding=dict(type='EmbeddingConnector'),
        ... )
    """

    def __init__(
        self,
        mode: str = 'code',
        gamma: float = 0.4,
        order: int = 2,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        check_choice(name, 'mode', mode, ('code', 'paper'))
        check_number(name, 'gamma', gamma, above=0, example=0.4)
        check_size(name, 'order', order, below=100, example=2)
        self.mode = mode
        self.gamma = gamma
        self.order = order
        self.loss_weight = loss_weight
        check_settings(self)

    def forward(
        self, preds_S: torch.Tensor, preds_T: torch.Tensor
    ) -> torch.Tensor:
        """Compare embeddings (N, D) and (N, D); return a scalar."""
        check_batches(self, preds_S, preds_T)
        if self.mode == 'code':
            check_shapes(self, preds_S, preds_T)
            loss = neighbour_congruence(preds_S, preds_T)
        else:
            loss = F.mse_loss(
                correlations(preds_S, self.gamma, self.order),
                correlations(preds_T, self.gamma, self.order),
            )
        return self.loss_weight * loss
