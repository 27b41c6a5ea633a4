"""ReviewKD's attention-based fusion of a student's stages."""

from typing import Dict, List, Optional, Sequence, Tuple, Union

import torch
import torch.nn.functional as F
from mmrazor.models.architectures.connectors.base_connector import (
    BaseConnector,
)
from mmrazor.registry import MODELS
from torch import nn

from ..errors import SettingError, check_size
from .batch_norm import BatchNorm2d
from .shapes import check_shape, scaled_size


class FusionBlock(nn.Module):
    """Fuses a stage's map with that of the deeper stages (ABF).

    Args:
        in_channels (int): Channels of the stage's map.
        mid_channels (int): Channels of the fused map.
        out_channels (int): Channels of the teacher's map.
        fuse (bool): Whether there is a deeper stage.
    """

    def __init__(
        self,
        in_channels: int,
        mid_channels: int,
        out_channels: int,
        fuse: bool,
    ) -> None:
        super().__init__()
        self.reduce = nn.Sequential(
            nn.Conv2d(in_channels, mid_channels, 1, bias=False),
            BatchNorm2d(mid_channels),
        )
        self.project = nn.Sequential(
            nn.Conv2d(mid_channels, out_channels, 3, padding=1, bias=False),
            BatchNorm2d(out_channels),
        )
        self.attention: Optional[nn.Module] = None
        if fuse:
            self.attention = nn.Sequential(
                nn.Conv2d(2 * mid_channels, 2, 1), nn.Sigmoid()
            )
        nn.init.kaiming_uniform_(self.reduce[0].weight, a=1)
        nn.init.kaiming_uniform_(self.project[0].weight, a=1)

    def forward(
        self,
        feature: torch.Tensor,
        deeper: Optional[torch.Tensor],
        size: Tuple[int, int],
    ) -> Tuple[torch.Tensor, torch.Tensor]:
        """Fuse a stage's map (N, C, H, W) with the deeper stages'.

        Args:
            feature (torch.Tensor): The stage's map.
            deeper (torch.Tensor, optional): The fused map of the stage after
                it, (N, M, H', W').
            size (tuple[int, int]): Height and width of the teacher's map.

        Returns:
            tuple[torch.Tensor, torch.Tensor]: The map to compare with the
            teacher's, and the fused map for the stage before this one.
        """
        fused = self.reduce(feature)
        if self.attention is not None:
            deeper = F.interpolate(deeper, fused.shape[-2:], mode='nearest')
            weight = self.attention(torch.cat([fused, deeper], 1))
            fused = fused * weight[:, :1] + deeper * weight[:, 1:]
        if tuple(fused.shape[-2:]) != tuple(size):
            fused = F.interpolate(fused, size, mode='nearest')
        return self.project(fused), fused


@MODELS.register_module()
class ReviewConnector(BaseConnector):
    """Fuses every stage of the student with the deeper ones.

    From the deepest map to the shallowest, each is fused with those after it
    and brought to the shape of the corresponding map of the teacher.
    :class:`~mmrazor_lakd.distillers.FeatureDistiller` finds the shapes. Pooled
    features of a batch of one image are normalised by the running statistics,
    see :class:`~mmrazor_lakd.connectors.batch_norm.BatchNorm2d`.

    Source: Chen et al., "Distilling Knowledge via Knowledge Review", arXiv
    2104.09044, sections 3.2 and 3.3, and github.com/dvlab-research/ReviewKD.

    Args:
        in_shapes (Sequence): Shapes (C, H, W) of the student's maps, from
            the input to the output.
        out_shapes (Sequence): Shapes (C', H', W') of the teacher's maps.
        max_mid_channels (int): The fused maps have as many channels as the
            student's last map, but at most this many. Defaults to 512.
        init_cfg (dict | list, optional): Initialisation. Defaults to the
            authors'.

    Raises:
        SettingError: If a shape is that of no map, or the numbers of maps
            differ.

    Examples:
        >>> loss_forward_mappings = dict(
        ...     loss_review=dict(
        ...         s_features=dict(
        ...             recorder=['stage1', 'stage2', 'stage3', 'pooled'],
        ...             from_student=True,
        ...             connector='review',
        ...         ),
        ...         t_features=dict(
        ...             recorder=['stage1', 'stage2', 'stage3', 'pooled'],
        ...             from_student=False,
        ...         ),
        ...     )
        ... )
    """

    def __init__(
        self,
        in_shapes: Sequence[Sequence[int]],
        out_shapes: Sequence[Sequence[int]],
        max_mid_channels: int = 512,
        init_cfg: Optional[Union[Dict, List]] = None,
    ) -> None:
        super().__init__(init_cfg)
        owner = 'ReviewConnector'
        lists = dict(in_shapes=in_shapes, out_shapes=out_shapes)
        for name, shapes in lists.items():
            if not isinstance(shapes, (list, tuple)) or not shapes:
                raise SettingError(
                    f'{owner} has {name}={shapes!r}; write a list of shapes '
                    f'(C, H, W), such as [(16, 32, 32), (32, 16, 16)].'
                )
            for number, shape in enumerate(shapes):
                check_shape(owner, f'{name}[{number}]', shape)
        check_size(owner, 'max_mid_channels', max_mid_channels, example=512)
        if len(in_shapes) != len(out_shapes):
            raise SettingError(
                f"ReviewConnector pairs the student's maps with the "
                f"teacher's, but has {len(in_shapes)} and {len(out_shapes)} "
                f'of them; list equally many recorders of both.'
            )
        self.shapes = list(zip(in_shapes, out_shapes))
        mid = min(max_mid_channels, in_shapes[-1][0])
        self.blocks = nn.ModuleList(
            FusionBlock(s_shape[0], mid, t_shape[0], number < len(in_shapes))
            for number, (s_shape, t_shape) in enumerate(self.shapes, 1)
        )

    def forward_train(
        self, feature: Sequence[torch.Tensor]
    ) -> List[torch.Tensor]:
        """Map the student's maps to the shapes of the teacher's."""
        fused = None
        outputs: List[torch.Tensor] = []
        for index in reversed(range(len(self.blocks))):
            stage = feature[index]
            size = scaled_size(stage.shape[-2:], *self.shapes[index])
            output, fused = self.blocks[index](stage, fused, size)
            outputs.insert(0, output)
        return outputs
