"""VID's prediction of a teacher's map: a Gaussian for each channel."""

import math
from typing import Dict, List, Optional, Sequence, Tuple, Union

import torch
import torch.nn.functional as F
from mmrazor.models.architectures.connectors.base_connector import (
    BaseConnector,
)
from mmrazor.registry import MODELS
from torch import nn

from ..errors import check_number
from .shapes import scaled_size

#: the lowest variance
EPS = 1e-5


@MODELS.register_module()
class GaussianConnector(BaseConnector):
    r"""Predicts a teacher's map: its mean, and a variance for each channel.

    The mean is three 1x1 convolutions of the student's map with ReLUs between
    them, as wide as the teacher's map. The variance is learned,
    :math:`\ln(1 + e^{\alpha_c}) + 10^{-5}`, and the same for all images. A
    map that is larger than the teacher's is pooled to its size first.

    Source: Ahn et al., "Variational Information Distillation for Knowledge
    Transfer", arXiv 1904.05835; the layers are RepDistiller's, which the
    literature's figures are from. mdistiller never trains its variances, which
    stay at 5.

    Args:
        in_shape (Sequence[int]): Shape (C, H, W) of the student's map.
        out_shape (Sequence[int]): Shape (C', H', W') of the teacher's map.
        variance (float): The variance at the start. Defaults to 5.0.
        init_cfg (dict | list, optional): Initialisation. Defaults to
            PyTorch's.

    Raises:
        SettingError: If the variance isn't above 1e-5.

    Examples:
        >>> import torch
        >>> from mmrazor_lakd.connectors import GaussianConnector
        >>> connector = GaussianConnector((16, 16, 16), (64, 8, 8))
        >>> mean, variance = connector(torch.rand(2, 16, 16, 16))
        >>> mean.shape, variance.shape
        (torch.Size([2, 64, 8, 8]), torch.Size([64]))
    """

    def __init__(
        self,
        in_shape: Sequence[int],
        out_shape: Sequence[int],
        variance: float = 5.0,
        init_cfg: Optional[Union[Dict, List]] = None,
    ) -> None:
        super().__init__(init_cfg)
        self.in_shape, self.out_shape = tuple(in_shape), tuple(out_shape)
        check_number(
            type(self).__name__, 'variance', variance, above=EPS, example=5.0
        )
        width = self.out_shape[0]
        self.regress = nn.Sequential(
            nn.Conv2d(self.in_shape[0], width, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(width, width, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(width, width, 1, bias=False),
        )
        start = math.log(math.expm1(variance - EPS))
        self.alpha = nn.Parameter(torch.full((width,), start))

    def forward_train(
        self, feature: torch.Tensor
    ) -> Tuple[torch.Tensor, torch.Tensor]:
        """Map (N, C, H, W) to a mean (N, C', H', W') and a variance (C', )."""
        size = scaled_size(feature.shape[-2:], self.in_shape, self.out_shape)
        pairs = zip(feature.shape[-2:], size)
        smaller = tuple(min(pair) for pair in pairs)
        if smaller != feature.shape[-2:]:
            feature = F.adaptive_avg_pool2d(feature, smaller)
        return self.regress(feature), F.softplus(self.alpha) + EPS
