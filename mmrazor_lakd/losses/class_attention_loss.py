"""CAT-KD: class activation maps, of every class."""

import torch
import torch.nn.functional as F
from mmrazor.registry import MODELS
from torch import nn

from ..errors import SettingError, check_size
from .checks import MOST_CELLS, check_batches, check_settings
from .lengths import nan_if_infinite
from .weighted_square import at_least_float32

#: the least norm of an activation map that is made a unit vector
EPS = 1e-12


def activation_maps(
    feature: torch.Tensor, weight: torch.Tensor, resolution: int
) -> torch.Tensor:
    """Compute how much each position speaks for each class.

    It is a linear classifier at every position, without its bias. Positions
    are pooled first, which is the same and costs less.

    Args:
        feature (torch.Tensor): The map that is pooled for the classifier,
            (N, C, H, W).
        weight (torch.Tensor): Weight of the classifier, (K, C).
        resolution (int): Height and width R to which the maps are pooled.

    Returns:
        torch.Tensor: (N, K, R, R), in float32 (float64 for float64 maps).
    """
    pooled = F.adaptive_avg_pool2d(at_least_float32(feature), resolution)
    with torch.autocast(feature.device.type, enabled=False):
        return F.conv2d(pooled, weight.to(pooled.dtype)[:, :, None, None])


def unit_maps(maps: torch.Tensor) -> torch.Tensor:
    """Divide each of (N, K, R, R) by its norm.

    One of zeros stays, without the gradient of 1e12 that normalize() has.
    """
    norm = torch.linalg.vector_norm(maps, dim=(2, 3), keepdim=True)
    norm = nan_if_infinite(norm)
    return torch.where(norm <= EPS, 0 * maps, maps / norm.clamp(min=EPS))


def class_attention(
    s_feature: torch.Tensor,
    t_feature: torch.Tensor,
    s_weight: torch.Tensor,
    t_weight: torch.Tensor,
    resolution: int = 2,
    normalize: bool = True,
) -> torch.Tensor:
    r"""Compute the mean squared difference of class activation maps.

    .. math::
        L = \frac{1}{N K R^2} \sum_{n,k} ||A^T_{nk} - A^S_{nk}||^2

    Args:
        s_feature (torch.Tensor): The student's map, (N, C, H, W).
        t_feature (torch.Tensor): The teacher's map, (N, C', H', W').
        s_weight (torch.Tensor): Weight of the student's classifier, (K, C). It
            gets a gradient, too.
        t_weight (torch.Tensor): Weight of the teacher's, (K, C'). Nothing of
            the teacher gets a gradient.
        resolution (int): Height and width R of the activation maps. Defaults
            to 2.
        normalize (bool): Whether each is made a unit vector. Defaults to True.

    Returns:
        torch.Tensor: A scalar in float32 (float64 for float64 maps).
    """
    student = activation_maps(s_feature, s_weight, resolution)
    teacher = activation_maps(
        t_feature.detach(), t_weight.detach(), resolution
    )
    if normalize:
        student, teacher = unit_maps(student), unit_maps(teacher)
    return F.mse_loss(student, teacher)


@MODELS.register_module()
class ClassAttentionLoss(nn.Module):
    """CAT-KD: where the networks see each class.

    For maps of any two sizes and widths before global average pooling, and a
    linear classifier behind it.

    Source: Guo et al., "Class Attention Transfer Based Knowledge
    Distillation", arXiv 2304.12777, equation 5. The authors' code doesn't
    normalize between networks of one family.

    Args:
        resolution (int): Height and width to which the activation maps are
            pooled. Defaults to 2.
        normalize (bool): Whether each is made a unit vector. Defaults to True.
        loss_weight (float): Weight of the loss, beta. Defaults to 1.0.

    Raises:
        SettingError: If the resolution isn't an integer above 0, or the weight
            is below 0. In the first step, if the numbers of classes differ.

    Examples:
        >>> loss_cat = dict(
        ...     type='ClassAttentionLoss', normalize=False, loss_weight=0.7
        ... )
    """

    def __init__(
        self,
        resolution: int = 2,
        normalize: bool = True,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        check_size(
            type(self).__name__,
            'resolution',
            resolution,
            below=MOST_CELLS,
            example=2,
        )
        self.resolution = resolution
        self.normalize = normalize
        self.loss_weight = loss_weight
        check_settings(self)

    def forward(
        self,
        s_feature: torch.Tensor,
        t_feature: torch.Tensor,
        s_weight: torch.Tensor,
        t_weight: torch.Tensor,
    ) -> torch.Tensor:
        """Compare maps; see :func:`class_attention`. Return a scalar."""
        check_batches(self, s_feature, t_feature)
        if len(s_weight) != len(t_weight):
            raise SettingError(
                f'The teacher has {len(t_weight)} classes and the student '
                f'{len(s_weight)}, but {type(self).__name__} compares a map '
                f'of each class; set num_classes of both heads to the number '
                f'of classes of the data.'
            )
        return self.loss_weight * class_attention(
            s_feature,
            t_feature,
            s_weight,
            t_weight,
            self.resolution,
            self.normalize,
        )
