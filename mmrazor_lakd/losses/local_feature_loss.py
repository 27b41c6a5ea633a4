"""The feature loss of one local module."""

from typing import Optional

import torch
from mmrazor.registry import MODELS
from torch import nn

from ..errors import check_choice
from .checks import check_settings
from .weighted_square import map_variance, weighted_square

EPS = 1e-6


def difference_scale(
    feature: torch.Tensor, normalize: str, reduction: str
) -> torch.Tensor:
    """Compute the divisor of the summed squared difference of two maps.

    Args:
        feature (torch.Tensor): The teacher's map, (N, C, H, W).
        normalize (str): See :func:`local_feature_loss`.
        reduction (str): See :func:`local_feature_loss`.

    Returns:
        torch.Tensor: A scalar: the count, times the variance of ``feature`` if
        ``normalize`` is ``'variance'``.
    """
    count = feature.numel() if reduction == 'element' else len(feature)
    if normalize == 'variance':
        return count * (map_variance(feature) + EPS)
    dtype = torch.promote_types(feature.dtype, torch.float32)
    return torch.full((), count, dtype=dtype, device=feature.device)


def local_feature_loss(
    s_feature: torch.Tensor,
    t_feature: torch.Tensor,
    weight: Optional[torch.Tensor] = None,
    normalize: str = 'variance',
    reduction: str = 'element',
) -> torch.Tensor:
    r"""Compute the squared difference of two maps, ``||F_T - F_S||^2 / N``.

    Args:
        s_feature (torch.Tensor): The student's map, (N, C, H, W).
        t_feature (torch.Tensor): The teacher's map, of the same shape. It gets
            no gradient.
        weight (torch.Tensor, optional): Weights of the positions,
            (N, 1, H, W). Defaults to None, all ones.
        normalize (str): ``'variance'`` divides by the variance of all
            elements of ``t_feature``, so that every module's loss is about 1
            before training; ``'none'`` doesn't.
        reduction (str): ``'element'`` divides by N * C * H * W;
            ``'instance'`` by N, the paper's ``N_l``.

    Returns:
        torch.Tensor: A scalar in float32 (float64 for float64 maps).
    """
    scale = difference_scale(t_feature.detach(), normalize, reduction)
    weight = 1 / scale if weight is None else weight / scale
    return weighted_square(s_feature, t_feature, [weight])[0]


@MODELS.register_module()
class LocalFeatureLoss(nn.Module):
    r"""The layer feature loss of LAKD.

    .. math::
        L_{lf} = \frac{1}{N_l} \sum_i || F_T^l(i) - F_S^l(i) ||^2

    Source: "LAKD-Activation Mapping Distillation Based on Local Learning",
    arXiv 2408.11478. The paper divides by the number of instances; dividing by
    the teacher's variance and by the number of elements is ours, so that one
    weight suits modules of every width and size.

    Args:
        loss_weight (float): Weight of the loss. Defaults to 1.0.
        normalize (str): ``'variance'`` or ``'none'``, see
            :func:`local_feature_loss`. Defaults to ``'variance'``.
        reduction (str): ``'element'`` or ``'instance'``. Defaults to
            ``'element'``.

    Raises:
        SettingError: If the weight is below 0, or a choice is unknown.

    Examples:
        >>> import torch
        >>> from mmrazor_lakd.losses import LocalFeatureLoss
        >>> loss = LocalFeatureLoss(normalize='none')
        >>> loss(torch.zeros(2, 4, 8, 8), torch.full((2, 4, 8, 8), 3.0))
        tensor(9.)
    """

    def __init__(
        self,
        loss_weight: float = 1.0,
        normalize: str = 'variance',
        reduction: str = 'element',
    ) -> None:
        super().__init__()
        owner = type(self).__name__
        check_choice(owner, 'normalize', normalize, ('variance', 'none'))
        check_choice(owner, 'reduction', reduction, ('element', 'instance'))
        self.loss_weight = loss_weight
        self.normalize = normalize
        self.reduction = reduction
        check_settings(self)

    def position_weight(self, t_feature: torch.Tensor) -> torch.Tensor:
        """Compute the weight of the squared difference, a scalar.

        :class:`~mmrazor_lakd.distillers.LAKDDistiller` computes all losses of
        a module that have such a weight in one pass.
        """
        return self.loss_weight / difference_scale(
            t_feature, self.normalize, self.reduction
        )

    def forward(
        self, s_feature: torch.Tensor, t_feature: torch.Tensor
    ) -> torch.Tensor:
        """Compare two maps of equal shape (N, C, H, W); return a scalar."""
        weight = self.position_weight(t_feature)
        return weighted_square(s_feature, t_feature, [weight])[0]
