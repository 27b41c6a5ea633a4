"""WKD-F: the Wasserstein distance of two maps' channels, as Gaussians."""

from typing import Iterator, Optional

import torch
from mmrazor.registry import MODELS
from torch import nn

from ..errors import check_number, check_size
from .checks import MOST_CELLS, check_settings, check_shapes
from .warmup import check_decay, cosine_decay
from .weighted_square import at_least_float32


def _cells(feature: torch.Tensor, grid: int) -> Iterator[torch.Tensor]:
    """Yield the cells of a grid over a map, as adaptive pooling has them."""
    bounds = [
        [
            (index * side // grid, -(-(index + 1) * side // grid))
            for index in range(grid)
        ]
        for side in feature.shape[-2:]
    ]
    for top, bottom in bounds[0]:
        for left, right in bounds[1]:
            yield feature[..., top:bottom, left:right]


def wasserstein_features(
    s_feature: torch.Tensor,
    t_feature: torch.Tensor,
    mean_weight: float = 1.0,
    grid: int = 1,
    eps: float = 1e-5,
) -> torch.Tensor:
    r"""Compute the squared distance of two maps' channels, as Gaussians.

    .. math::
        L = mean_n\, mean_{cells} \sum_c (\gamma (\mu_S - \mu_T)^2
            + (\sigma_S - \sigma_T)^2)

    Args:
        s_feature (torch.Tensor): The student's map, (N, C, H, W).
        t_feature (torch.Tensor): The teacher's, (N, C, H, W). It gets no
            gradient.
        mean_weight (float): gamma. Defaults to 1.0.
        grid (int): Number of cells along a side, each with a mean and a
            standard deviation of its own. Defaults to 1.
        eps (float): What is added to a variance. Defaults to 1e-5.

    Returns:
        torch.Tensor: A scalar in float32 (float64 for float64 maps).
    """
    maps = (at_least_float32(s_feature), at_least_float32(t_feature).detach())
    total = torch.zeros((), dtype=maps[0].dtype, device=maps[0].device)
    for cells in zip(*(_cells(feature, grid) for feature in maps)):
        # of a single pixel, the variance is 0
        several = cells[0].shape[2:].numel() > 1
        (s_var, s_mean), (t_var, t_mean) = (
            torch.var_mean(cell, dim=(2, 3), unbiased=several)
            for cell in cells
        )
        spread = (s_var + eps).sqrt() - (t_var + eps).sqrt()
        squares = mean_weight * (s_mean - t_mean).square() + spread.square()
        total = total + squares.sum(1).mean()
    return total / grid**2


@MODELS.register_module()
class WassersteinFeatureLoss(nn.Module):
    """WKD-F: the distance of two maps' channels, as Gaussians.

    Each channel has its mean and its standard deviation over the pixels of a
    cell. A connector brings the student's map to the teacher's shape.

    Source: Lv et al., "Wasserstein Distance Rivals Kullback-Leibler Divergence
    for Knowledge Distillation", arXiv 2412.08139; github.com/JiamingLv/WKD.

    Args:
        mean_weight (float): Weight of the means, of the deviations 1. Defaults
            to 4.0.
        grid (int): Number of cells along a side. Defaults to 1.
        decay_from (float, optional): As in :class:`WassersteinLogitsLoss`.
            Defaults to None.
        loss_weight (float): Weight of the loss. Defaults to 1.0.

    Raises:
        SettingError: If a setting is out of its range.

    Examples:
        >>> loss_wkd = dict(type='WassersteinFeatureLoss', loss_weight=0.08)
        >>> connectors = dict(regressor=dict(type='HintConnector'))
    """

    def __init__(
        self,
        mean_weight: float = 4.0,
        grid: int = 1,
        decay_from: Optional[float] = None,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        check_number(name, 'mean_weight', mean_weight, minimum=0, example=4.0)
        check_size(name, 'grid', grid, below=MOST_CELLS, example=1)
        check_decay(name, decay_from)
        self.mean_weight = mean_weight
        self.grid = grid
        self.decay_from = decay_from
        self.loss_weight = loss_weight
        check_settings(self)

    def forward(
        self, s_feature: torch.Tensor, t_feature: torch.Tensor
    ) -> torch.Tensor:
        """Compare maps (N, C, H, W) of one shape; return a scalar."""
        check_shapes(self, s_feature, t_feature)
        weight = self.loss_weight * cosine_decay(self.decay_from)
        return weight * wasserstein_features(
            s_feature, t_feature, self.mean_weight, self.grid
        )
