"""NORM: N copies of the teacher's map, in one expanded map of the student."""

import torch
import torch.nn.functional as F
from mmrazor.registry import MODELS
from torch import nn

from ..errors import SettingError
from .checks import check_batches, check_settings
from .weighted_square import at_least_float32


def representation_matching(
    s_feature: torch.Tensor, t_feature: torch.Tensor
) -> torch.Tensor:
    r"""Sum the mean squared differences of a map's parts to one map.

    .. math::
        L = \sum_{i=1}^N \frac{1}{B C H W} ||F_S^i - pool(F_T)||^2

    Args:
        s_feature (torch.Tensor): The student's expanded map, (B, N * C, H, W).
        t_feature (torch.Tensor): The teacher's map, (B, C, H', W'); if it is
            larger, the maximum of each cell is taken. It gets no gradient.

    Returns:
        torch.Tensor: A scalar in float32 (float64 for float64 maps).
    """
    student = at_least_float32(s_feature)
    teacher = at_least_float32(t_feature.detach())
    if teacher.shape[2:] != student.shape[2:]:
        teacher = F.adaptive_max_pool2d(teacher, student.shape[2:])
    parts = student.unflatten(1, (-1, teacher.shape[1]))
    difference = parts - teacher[:, None]
    return difference.square().mean((0, 2, 3, 4)).sum()


@MODELS.register_module()
class RepresentationMatchingLoss(nn.Module):
    """NORM: N copies of the teacher's map, in one expanded map of the student.

    Source: Liu et al., "NORM: Knowledge Distillation via N-to-One
    Representation Matching", arXiv 2305.13803, as in the authors' code for
    CIFAR-100.

    Args:
        loss_weight (float): Weight of the loss, alpha. Defaults to 1.0.

    Raises:
        SettingError: If the weight is below 0. In the first step, if the
            student's map is larger than the teacher's, or not a multiple of it
            in width.

    Examples:
        >>> loss_norm = dict(type='RepresentationMatchingLoss')
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        check_settings(self)

    def forward(
        self, s_feature: torch.Tensor, t_feature: torch.Tensor
    ) -> torch.Tensor:
        """Compare maps; see :func:`representation_matching`."""
        check_batches(self, s_feature, t_feature)
        (width, *size), (t_width, *t_size) = (
            feature.shape[1:] for feature in (s_feature, t_feature)
        )
        if width % t_width or any(a > b for a, b in zip(size, t_size)):
            raise SettingError(
                f"The student's map of {width} channels and {size[0]}x"
                f"{size[1]} is no multiple of the teacher's of {t_width} "
                f'channels, or larger than its {t_size[0]}x{t_size[1]}; '
                f'write teacher_channels={t_width} in NORMHead, or choose a '
                f'student with larger strides.'
            )
        return self.loss_weight * representation_matching(s_feature, t_feature)
