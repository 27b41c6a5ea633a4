"""NDAM, the non-directional activation map, and the loss built on it."""

from typing import Any, Callable, Dict, Optional

import torch
import torch.nn.functional as F
from mmrazor.registry import MODELS
from torch import nn

from ..errors import SettingError, check_choice, check_number, is_number
from .checks import check_settings
from .local_feature_loss import EPS, difference_scale, local_feature_loss
from .weighted_square import chunks

ACTIVATIONS = {
    'relu': torch.relu,
    'abs': torch.abs,
    'none': lambda feature: feature,
}


def ndam_map(
    feature: torch.Tensor,
    alpha: float = 0.5,
    beta: float = 0.5,
    kernel_size: Optional[int] = 3,
    activation: str = 'relu',
    normalize: str = 'mean',
    summed: Optional[torch.Tensor] = None,
) -> torch.Tensor:
    r"""Compute the non-directional activation map of a feature map.

    .. math::
        W = \alpha \, avgpool(F_{sum}) + \beta \, maxpool(F_{sum})

    with :math:`F_{sum}` the sum of the feature map over its channels.

    Args:
        feature (torch.Tensor): A feature map, (N, C, H, W).
        alpha (float): Weight of the average pooling. Defaults to 0.5.
        beta (float): Weight of the maximum pooling. Defaults to 0.5.
        kernel_size (int, optional): Odd window of both poolings; stride 1,
            and positions outside the map are ignored, so that the size is
            kept. None pools the whole map into one value per image. Defaults
            to 3.
        activation (str): Applied to the map before the sum: ``'relu'`` (no
            change for a map after a ReLU; gives the activation of a map before
            it), ``'abs'`` or ``'none'``. Without it, the sum over a
            pre-activation map may be negative, and can't serve as a weight.
            Defaults to ``'relu'``.
        normalize (str): ``'mean'`` gives every image a spatial mean of 1,
            ``'softmax'`` a softmax over the positions times H * W (mean 1
            too), ``'none'`` leaves the map unchanged. Defaults to ``'mean'``.
        summed (torch.Tensor, optional): The sum of the activations,
            (N, 1, H, W), if it is not that of this map. Defaults to None.

    Returns:
        torch.Tensor: (N, 1, H, W), in float32 (float64 for float64 maps).
    """
    activate = ACTIVATIONS[activation]
    if summed is None:
        summed = torch.cat(
            [activate(part).sum(1, keepdim=True) for part in chunks(feature)]
        )
    if kernel_size is None:
        average = summed.mean((2, 3), keepdim=True).expand_as(summed)
        maximum = summed.amax((2, 3), keepdim=True).expand_as(summed)
    else:
        average = F.avg_pool2d(
            summed, kernel_size, 1, kernel_size // 2, count_include_pad=False
        )
        maximum = F.max_pool2d(summed, kernel_size, 1, kernel_size // 2)
    weight = alpha * average + beta * maximum
    if normalize == 'mean':
        # A map without any activation becomes 1 everywhere, not 0 / 0.
        weight = (weight + EPS) / (weight.mean((2, 3), keepdim=True) + EPS)
    elif normalize == 'softmax':
        positions = weight.shape[2] * weight.shape[3]
        weight = weight.flatten(2).softmax(-1).view_as(weight) * positions
    return weight


def ndam_loss(
    s_feature: torch.Tensor,
    t_feature: torch.Tensor,
    mode: str = 'weight',
    scale: str = 'variance',
    reduction: str = 'element',
    **map_options,
) -> torch.Tensor:
    """Compare two maps by means of the teacher's NDAM map.

    Args:
        s_feature (torch.Tensor): The student's map, (N, C, H, W).
        t_feature (torch.Tensor): The teacher's map, of the same shape. It gets
            no gradient.
        mode (str): ``'weight'`` weights the squared difference of the two
            feature maps by the teacher's NDAM map; ``'match'`` compares the
            two NDAM maps instead.
        scale (str): ``'variance'`` or ``'none'``, the ``normalize`` of
            :func:`~mmrazor_lakd.losses.local_feature_loss`.
        reduction (str): Likewise.
        map_options: Options of :func:`ndam_map`.

    Returns:
        torch.Tensor: A scalar in float32 (float64 for float64 maps).
    """
    t_map = ndam_map(t_feature.detach(), **map_options)
    if mode == 'match':
        s_map = ndam_map(s_feature, **map_options)
        return local_feature_loss(s_map, t_map, None, scale, reduction)
    return local_feature_loss(s_feature, t_feature, t_map, scale, reduction)


@MODELS.register_module()
class NDAMLoss(nn.Module):
    r"""The attention loss of LAKD: NDAM ties the local modules together.

    Source: "LAKD-Activation Mapping Distillation Based on Local Learning",
    arXiv 2408.11478, defines the map :math:`W` and states that it weights the
    feature maps. The window, the activation, the normalisation and the second
    mode are ours.

    Args:
        alpha (float): Weight of the average pooling in W. Defaults to 0.5.
        beta (float): Weight of the maximum pooling in W. Defaults to 0.5.
        loss_weight (float): Weight of the loss. Defaults to 1.0.
        mode (str): ``'weight'`` or ``'match'``. Defaults to ``'weight'``.
        kernel_size (int, optional): Odd window of the poolings, None for the
            whole map. Defaults to 3.
        activation (str): ``'relu'``, ``'abs'`` or ``'none'``. Defaults to
            ``'relu'``.
        normalize (str): ``'mean'``, ``'softmax'`` or ``'none'``, for W.
            Defaults to ``'mean'``.
        scale (str): ``'variance'`` or ``'none'``, for the squared difference.
            Defaults to ``'variance'``.
        reduction (str): ``'element'`` or ``'instance'``. Defaults to
            ``'element'``.

    Raises:
        SettingError: If a weight is below 0, alpha and beta are both 0 (the
            normalisation of W would remove their sign and scale), or another
            option isn't one of its choices.

    Examples:
        >>> import torch
        >>> from mmrazor_lakd.losses import NDAMLoss
        >>> loss = NDAMLoss(scale='none')
        >>> loss(torch.zeros(2, 4, 8, 8), torch.full((2, 4, 8, 8), 3.0))
        tensor(9.)
    """

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float = 0.5,
        loss_weight: float = 1.0,
        mode: str = 'weight',
        kernel_size: Optional[int] = 3,
        activation: str = 'relu',
        normalize: str = 'mean',
        scale: str = 'variance',
        reduction: str = 'element',
    ) -> None:
        super().__init__()
        owner = type(self).__name__
        check_choice(owner, 'mode', mode, ('weight', 'match'))
        check_choice(owner, 'activation', activation, tuple(ACTIVATIONS))
        check_choice(
            owner, 'normalize', normalize, ('mean', 'softmax', 'none')
        )
        check_choice(owner, 'scale', scale, ('variance', 'none'))
        check_choice(owner, 'reduction', reduction, ('element', 'instance'))
        for name, weight in (('alpha', alpha), ('beta', beta)):
            check_number(owner, name, weight, minimum=0, example=0.5)
        if alpha == beta == 0:
            raise SettingError(
                f'{owner} needs an alpha or a beta above 0, and both are 0, '
                f'which is no map; write alpha=0.5, beta=0.5, or '
                f'attention_loss=None for no such loss.'
            )
        if kernel_size is not None and (
            not is_number(kernel_size, integer=True)
            or kernel_size < 1
            or kernel_size % 2 == 0
        ):
            raise SettingError(
                f'{owner} needs an odd kernel_size, so that the map keeps its '
                f'size, or None to pool the whole map, not {kernel_size!r}.'
            )
        if mode == 'match' and kernel_size is None and normalize != 'none':
            raise SettingError(
                f"{owner} has mode='match' and kernel_size=None, whose maps "
                f"are 1 everywhere with normalize='{normalize}', so that it "
                f'would compare nothing; write kernel_size=3, or '
                f"normalize='none'."
            )
        self.loss_weight = loss_weight
        self.mode = mode
        self.scale = scale
        self.reduction = reduction
        self.map_options: Dict[str, Any] = dict(
            alpha=alpha,
            beta=beta,
            kernel_size=kernel_size,
            activation=activation,
            normalize=normalize,
        )
        check_settings(self)

    @property
    def summand(self) -> Optional[Callable]:
        """Callable: What :meth:`position_weight` sums; None if nothing."""
        if self.mode == 'match':
            return None
        return ACTIVATIONS[self.map_options['activation']]

    def position_weight(
        self, t_feature: torch.Tensor, summed: Optional[torch.Tensor] = None
    ) -> Optional[torch.Tensor]:
        """Compute the weights of the squared difference, (N, 1, H, W).

        ``summed`` is that of :func:`ndam_map`, of a map that has been
        projected to ``t_feature``.

        None with ``mode='match'``, which compares the NDAM maps instead. See
        :meth:`LocalFeatureLoss.position_weight`.
        """
        if self.mode == 'match':
            return None
        scale = difference_scale(t_feature, self.scale, self.reduction)
        weight = ndam_map(
            t_feature.detach(), **self.map_options, summed=summed
        )
        return weight * (self.loss_weight / scale)

    def forward(
        self, s_feature: torch.Tensor, t_feature: torch.Tensor
    ) -> torch.Tensor:
        """Compare two maps of equal shape (N, C, H, W); return a scalar."""
        return self.loss_weight * ndam_loss(
            s_feature,
            t_feature,
            self.mode,
            self.scale,
            self.reduction,
            **self.map_options,
        )
