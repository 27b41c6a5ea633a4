"""SD-KD and SD-DKD: the logits of parts of an image."""

from typing import Callable, Sequence, Tuple

import torch
import torch.nn.functional as F
from mmrazor.registry import MODELS

from ..errors import SettingError, check_choice, check_number, is_number
from .checks import (
    MOST_CELLS,
    check_batches,
    check_class_indices,
    check_shapes,
)
from .decoupled_kd_loss import DecoupledKDLoss
from .logits_kd_loss import LogitsKDLoss
from .weighted_square import at_least_float32

#: a network's last map (N, C, H, W), and its classifier's weight and bias
Classified = Tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def region_logits(
    feature: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    scales: Sequence[int],
) -> torch.Tensor:
    """Compute the logits of the cells of several grids over a map.

    A cell's logits are the classifier's for its average. Those of the grid of
    one cell are the network's own.

    Args:
        feature (torch.Tensor): The map before the pooling, (N, C, H, W).
        weight (torch.Tensor): The classifier's weight, (K, C).
        bias (torch.Tensor): Its bias, (K, ).
        scales (Sequence[int]): Number of cells along a side of each grid.

    Returns:
        torch.Tensor: (R, N, K), with R the number of all cells, in float32
        (float64 for float64 maps), under autocast too.
    """
    feature = at_least_float32(feature)
    cells = [
        F.adaptive_avg_pool2d(feature, scale).flatten(2) for scale in scales
    ]
    with torch.autocast(feature.device.type, enabled=False):
        return F.linear(
            torch.cat(cells, 2).permute(2, 0, 1),
            at_least_float32(weight),
            at_least_float32(bias),
        )


def scale_decoupled(
    loss: Callable[..., torch.Tensor],
    student: Classified,
    teacher: Classified,
    labels: torch.Tensor,
    scales: Sequence[int],
    complementary_weight: float,
) -> torch.Tensor:
    """Compare the logits of all regions, those that differ with more weight.

    A region is complementary if the teacher is right there and wrong for the
    whole image, or the other way round.

    Args:
        loss (Callable): Takes logits (M, K), (M, K) and labels (M, ), and
            returns their mean.
        student (tuple[torch.Tensor]): The student's map, weight and bias.
        teacher (tuple[torch.Tensor]): The teacher's. They get no gradient.
        labels (torch.Tensor): Indices of the target classes, (N, ).
        scales (Sequence[int]): See :func:`region_logits`; the first is 1.
        complementary_weight (float): Weight of a complementary region; others
            have 1.

    Returns:
        torch.Tensor: The weighted sum over the regions of all images, over
        their number: a scalar.
    """
    s_logits = region_logits(*student, scales=scales)
    t_logits = region_logits(*teacher, scales=scales).detach()
    right = t_logits.argmax(2) == labels.view(1, -1)
    complementary = right != right[:1]
    labels = labels.view(1, -1).expand_as(right)
    value = loss(
        s_logits.flatten(0, 1), t_logits.flatten(0, 1), labels.flatten()
    )
    count = int(complementary.sum())
    if count:
        more = loss(
            *(part[complementary] for part in (s_logits, t_logits, labels))
        )
        share = count / complementary.numel()
        value = value + (complementary_weight - 1) * share * more
    return value


class _ScaleDecoupled:
    """What both losses add to those that they are based on."""

    def __init__(
        self,
        scales: Sequence[int] = (1, 2),
        complementary_weight: float = 2.0,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        name = type(self).__name__
        if hasattr(self, 'reduction'):
            # A region's weight is that in a mean over all of them.
            check_choice(
                name, 'reduction', self.reduction, ('batchmean', 'mean')
            )
        if not (
            isinstance(scales, (list, tuple))
            and scales[:1] in ([1], (1,))
            and all(is_number(scale, integer=True) for scale in scales)
            and 0 < min(scales) <= max(scales) < MOST_CELLS
        ):
            raise SettingError(
                f'{name} has scales={scales!r}; write the numbers of cells '
                f'along a side, the first of which is 1, the whole map: '
                f'(1, 2, 4).'
            )
        check_number(
            name,
            'complementary_weight',
            complementary_weight,
            minimum=0,
            example=2.0,
        )
        self.scales = tuple(scales)
        self.complementary_weight = complementary_weight

    def forward(
        self,
        s_feature: torch.Tensor,
        s_weight: torch.Tensor,
        s_bias: torch.Tensor,
        t_feature: torch.Tensor,
        t_weight: torch.Tensor,
        t_bias: torch.Tensor,
        gt_labels: torch.Tensor,
    ) -> torch.Tensor:
        """Compare two networks under labels (N, ); return a scalar.

        Of each, the map before the pooling (N, C, H, W), and the classifier's
        weight (K, C) and bias (K, ).
        """
        check_batches(self, s_feature, t_feature)
        check_shapes(self, s_bias, t_bias)
        check_class_indices(self, gt_labels, len(s_feature), len(s_weight))
        return scale_decoupled(
            self._compare,
            (s_feature, s_weight, s_bias),
            (t_feature, t_weight, t_bias),
            gt_labels,
            self.scales,
            self.complementary_weight,
        )

    def _compare(self, s_logits, t_logits, labels) -> torch.Tensor:
        """Compute the loss of logits (M, K) under labels (M, )."""
        raise NotImplementedError


@MODELS.register_module()
class ScaleDecoupledKDLoss(  # type: ignore[misc]  # takes maps, not logits
    _ScaleDecoupled, LogitsKDLoss
):
    """SD-KD: the logits of parts of an image, by :class:`LogitsKDLoss`.

    Both networks end with average pooling and one linear layer. Recorders name
    the map before the pooling, and the layer's weight and bias.

    Source: Wei et al., "Scale Decoupled Distillation", arXiv 2403.13512;
    github.com/shicaiwei123/SDD-CVPR2024, which averages 4x4 cells for the
    coarser grids: that is the same where 4 divides the sides of the map.

    Args:
        scales (Sequence[int]): Number of cells along a side of each grid; the
            first is 1, the whole map. Defaults to (1, 2), the authors' for two
            networks of one family; (1, 2, 4) for others.
        complementary_weight (float): Weight of a region where the teacher is
            right or wrong in contrast to the whole image. Defaults to 2.0.
        kwargs: Arguments of :class:`LogitsKDLoss`.

    Raises:
        SettingError: As :class:`LogitsKDLoss`, or if the scales or the weight
            are none, or a label isn't an index.

    Examples:
        >>> loss_kd = dict(
        ...     type='ScaleDecoupledKDLoss', tau=4.0, loss_weight=0.9
        ... )
        >>> student_recorders = dict(
        ...     feature=dict(type='ModuleInputs', source='neck.gap'),
        ...     weight=dict(type='Parameter', source='head.fc.weight'),
        ...     bias=dict(type='Parameter', source='head.fc.bias'),
        ... )
    """

    def _compare(self, s_logits, t_logits, labels) -> torch.Tensor:
        return LogitsKDLoss.forward(self, s_logits, t_logits)


@MODELS.register_module()
class ScaleDecoupledDKDLoss(  # type: ignore[misc]
    _ScaleDecoupled, DecoupledKDLoss
):
    """SD-DKD: the logits of parts of an image, by :class:`DecoupledKDLoss`.

    Source: see :class:`ScaleDecoupledKDLoss`.

    Args:
        scales (Sequence[int]): As there. Defaults to (1, 2).
        complementary_weight (float): As there. Defaults to 2.0.
        kwargs: Arguments of :class:`DecoupledKDLoss`.

    Raises:
        SettingError: As :class:`DecoupledKDLoss`, or if the scales or the
            weight are none.

    Examples:
        >>> loss_dkd = dict(
        ...     type='WarmupLoss',
        ...     epochs=20,
        ...     loss=dict(type='ScaleDecoupledDKDLoss', tau=4.0, beta=2.0),
        ... )
    """

    def _compare(self, s_logits, t_logits, labels) -> torch.Tensor:
        return DecoupledKDLoss.forward(self, s_logits, t_logits, labels)
