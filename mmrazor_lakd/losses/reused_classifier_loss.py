"""SimKD: the map before the teacher's classifier, which the student reuses."""

import torch
import torch.nn.functional as F
from mmrazor.registry import MODELS
from torch import nn

from ..errors import SettingError
from .checks import check_channels, check_settings
from .weighted_square import at_least_float32


def reused_classifier(
    s_feature: torch.Tensor, t_feature: torch.Tensor
) -> torch.Tensor:
    r"""Compute the mean squared difference of two maps of equal width.

    .. math::
        L = \frac{1}{N C H W} ||F_S - pool(F_T)||^2

    Args:
        s_feature (torch.Tensor): The student's projected map, (N, C, H, W).
        t_feature (torch.Tensor): The teacher's map, (N, C, H', W'), at least
            as large; it is pooled to the student's size. It gets no gradient.

    Returns:
        torch.Tensor: A scalar in float32 (float64 for float64 maps).
    """
    teacher = at_least_float32(t_feature.detach())
    teacher = F.adaptive_avg_pool2d(teacher, s_feature.shape[2:])
    return F.mse_loss(at_least_float32(s_feature), teacher)


@MODELS.register_module()
class ReusedClassifierLoss(nn.Module):
    """SimKD: the only loss of a student that ends with the teacher's head.

    Source: Chen et al., "Knowledge Distillation with the Reused Teacher
    Classifier", arXiv 2203.14001, equation 3, and the authors' code, which
    pools a student's map that is larger than the teacher's.

    Args:
        loss_weight (float): Weight of the loss. Defaults to 1.0.

    Raises:
        SettingError: If the weight is below 0. In the first step, if the
            student's map is larger than the teacher's.

    Examples:
        >>> loss_simkd = dict(type='ReusedClassifierLoss')
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        check_settings(self)

    def forward(
        self, s_feature: torch.Tensor, t_feature: torch.Tensor
    ) -> torch.Tensor:
        """Compare maps; see :func:`reused_classifier`. Return a scalar."""
        check_channels(self, s_feature, t_feature)
        size, t_size = s_feature.shape[2:], t_feature.shape[2:]
        if any(side > t_side for side, t_side in zip(size, t_size)):
            raise SettingError(
                f"The student's map of {size[0]}x{size[1]} is larger than the "
                f"teacher's of {t_size[0]}x{t_size[1]}, but "
                f"{type(self).__name__} pools the teacher's alone; choose a "
                f'student with larger strides.'
            )
        return self.loss_weight * reused_classifier(s_feature, t_feature)
