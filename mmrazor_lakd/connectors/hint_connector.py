"""FitNet's regressor."""

from typing import Dict, List, Optional, Sequence, Union

import torch
from mmrazor.models.architectures.connectors.base_connector import (
    BaseConnector,
)
from mmrazor.registry import MODELS
from torch import nn

from ..errors import SettingError
from .batch_norm import BatchNorm2d
from .shapes import check_shape


def conv_by_two(
    in_shape: Sequence[int], out_shape: Sequence[int]
) -> Optional[nn.Module]:
    """Build a convolution to half or twice the size of a map.

    Args:
        in_shape (Sequence[int]): Shape (C, H, W) of the map.
        out_shape (Sequence[int]): Shape (C', H', W') of the result.

    Returns:
        nn.Module | None: 3x3 with stride 2, or transposed 4x4 with stride 2;
        None for other sizes.
    """
    (width, *size), (out_width, *out_size) = in_shape, out_shape
    if size == [2 * side for side in out_size]:
        return nn.Conv2d(width, out_width, 3, stride=2, padding=1)
    if [2 * side for side in size] == out_size:
        return nn.ConvTranspose2d(width, out_width, 4, stride=2, padding=1)
    return None


@MODELS.register_module()
class HintConnector(BaseConnector):
    """Maps a student's feature map to the shape of the teacher's.

    A convolution, batch normalisation and a ReLU, even where the shapes agree.
    The convolution is 1x1 for maps of equal size; 3x3 with stride 2, or
    transposed 4x4 with stride 2, for twice or half the size; for any other
    larger map it has no padding, and a kernel that results in the teacher's
    size. :class:`~mmrazor_lakd.distillers.FeatureDistiller` finds the shapes.

    A batch of one image whose map has one element is normalised by the running
    statistics, see :class:`~mmrazor_lakd.connectors.batch_norm.BatchNorm2d`.

    Source: Romero et al., "FitNets: Hints for Thin Deep Nets", arXiv
    1412.6550, section 2.2; normalisation and the kernels for other sizes are
    those of RepDistiller and mdistiller, which produced the literature's
    figures.

    Args:
        in_shape (Sequence[int]): Shape (C, H, W) of the student's map.
        out_shape (Sequence[int]): Shape (C', H', W') of the teacher's map.
        init_cfg (dict | list, optional): Initialisation. Defaults to
            PyTorch's.

    Raises:
        SettingError: If a shape is that of no map, or if the student's map is
            smaller, but not half as large.

    Examples:
        >>> import torch
        >>> from mmrazor_lakd.connectors import HintConnector
        >>> connector = HintConnector((16, 16, 16), (64, 8, 8))
        >>> connector(torch.rand(2, 16, 16, 16)).shape
        torch.Size([2, 64, 8, 8])
    """

    def __init__(
        self,
        in_shape: Sequence[int],
        out_shape: Sequence[int],
        init_cfg: Optional[Union[Dict, List]] = None,
    ) -> None:
        super().__init__(init_cfg)
        for name, shape in (('in_shape', in_shape), ('out_shape', out_shape)):
            check_shape('HintConnector', name, shape)
        (width, *size), (t_width, *t_size) = in_shape, out_shape
        conv = conv_by_two(in_shape, out_shape)
        if conv is None and all(s >= t for s, t in zip(size, t_size)):
            kernel = [1 + s - t for s, t in zip(size, t_size)]
            conv = nn.Conv2d(width, t_width, kernel)
        if conv is None:
            raise SettingError(
                f'HintConnector brings no map of {size[0]}x{size[1]} to the '
                f"teacher's {t_size[0]}x{t_size[1]}; name an earlier module "
                f'of the student or a later one of the teacher.'
            )
        self.regress = nn.Sequential(conv, BatchNorm2d(t_width), nn.ReLU())

    def forward_train(self, feature: torch.Tensor) -> torch.Tensor:
        """Map (N, C, H, W) to (N, C', H', W')."""
        return self.regress(feature)
