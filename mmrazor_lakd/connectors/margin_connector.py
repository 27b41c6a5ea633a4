"""OFD's margin ReLU for the teacher's maps."""

import math
from typing import Dict, List, Optional, Sequence, Union

import torch
import torch.nn.functional as F
from mmrazor.models.architectures.connectors.base_connector import (
    BaseConnector,
)
from mmrazor.registry import MODELS
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..errors import SettingError
from ..tracing.modules import forward_hooks
from .shapes import check_shape, scaled_size

# A channel that is negative more rarely than this has too few negative values
# for a mean; its margin is then this many standard deviations.
SELDOM, DEVIATIONS = 1e-3, 3.0


def expected_negative(norm: nn.Module) -> torch.Tensor:
    r"""Compute the mean of the negative outputs of a batch normalisation.

    .. math::
        m = E[x | x < 0] = \mu - \sigma
            \frac{\phi(\mu / \sigma)}{\Phi(-\mu / \sigma)}

    for a normally distributed x, whose mean :math:`\mu` is the layer's bias
    and whose :math:`\sigma` is the absolute value of its weight.

    Args:
        norm (nn.Module): A batch normalisation with C channels.

    Returns:
        torch.Tensor: The margins, (C, ), in float64.
    """
    if norm.weight is None:
        return torch.full(
            (norm.num_features,), -math.sqrt(2 / math.pi)
        ).double()
    mean = norm.bias.detach().double()
    # A channel that is switched off has a weight of 0.
    std = norm.weight.detach().double().abs().clamp(min=1e-12)
    ratio = mean / std
    density = torch.exp(-ratio.square() / 2) / math.sqrt(2 * math.pi)
    share = torch.erfc(ratio / math.sqrt(2)) / 2
    margin = mean - std * density / share.clamp(min=SELDOM)
    return torch.where(share > SELDOM, margin, -DEVIATIONS * std)


def find_norm(model: nn.Module, source: str, image: torch.Tensor) -> nn.Module:
    """Find the batch normalisation that produces a module's output.

    This is the module itself, or else the last one before it with an output of
    the same shape.

    Args:
        model (nn.Module): A model of MMEngine in eval mode.
        source (str): Name of the module whose output is the map.
        image (torch.Tensor): An image that the model takes.

    Raises:
        SettingError: If there is none.
    """
    modules = dict(model.named_modules())
    ran, found = [], []

    def note(module, inputs, output):
        if isinstance(module, _BatchNorm):
            ran.append((module, output.shape))
        if module is modules[source]:
            found.extend(m for m, shape in ran if shape == output.shape)

    hooks = [
        (module, note)
        for name, module in modules.items()
        if name == source or isinstance(module, _BatchNorm)
    ]
    with forward_hooks(hooks), torch.no_grad():
        model(image, mode='tensor')
    if not found:
        raise SettingError(
            f'MarginConnector finds no batch normalisation that makes the '
            f"teacher's '{source}'; give its name as norm='...'."
        )
    return found[-1]


@MODELS.register_module()
class MarginConnector(BaseConnector):
    r"""Clips a teacher's map from below at its margins: ``max(F_T, m)``.

    The margin of a channel is the mean of its negative values, computed from
    the batch normalisation before the ReLU, see :func:`expected_negative`. A
    teacher's map larger than the student's is pooled first.
    :class:`~mmrazor_lakd.distillers.FeatureDistiller` finds the shapes and the
    normalisation.

    MMRazor's :class:`OFDTeacherConnector` computes its margins when the
    algorithm is built: with :class:`FrozenTeacherDistill`, which loads the
    teacher later, these would be the margins of random weights. Here they are
    computed at every step from the normalisation itself, which stays unchanged
    when the teacher is fused. MMRazor's also fails for a weight of exactly 0.

    Source: Heo et al., "A Comprehensive Overhaul of Feature Distillation",
    arXiv 1904.01866, section 3.2.

    Args:
        in_shape (Sequence[int]): Shape (C, H, W) of the teacher's map.
        out_shape (Sequence[int]): Shape (C', H', W') of the student's map.
        norm (str, optional): Name of the teacher's batch normalisation.
            Defaults to None: found automatically.
        init_cfg (dict | list, optional): Unused, as there are no parameters.

    Raises:
        SettingError: If a shape is that of no map, or the normalisation is
            unknown or of another width.

    Examples:
        >>> connectors = dict(
        ...     margin1=dict(type='MarginConnector'),
        ...     align1=dict(
        ...         type='ConvModuleConnector',
        ...         norm_cfg=dict(type='BN'),
        ...         act_cfg=None,
        ...     ),
        ... )
    """

    def __init__(
        self,
        in_shape: Sequence[int],
        out_shape: Sequence[int],
        norm: Optional[str] = None,
        init_cfg: Optional[Union[Dict, List]] = None,
    ) -> None:
        super().__init__(init_cfg)
        owner = 'MarginConnector'
        for name, shape in (('in_shape', in_shape), ('out_shape', out_shape)):
            check_shape(owner, name, shape)
        if not isinstance(norm, (str, type(None))):
            raise SettingError(
                f'{owner} has norm={norm!r}; write the name of a batch '
                f"normalisation of the teacher's, norm='backbone.bn1', or "
                f'leave it out.'
            )
        self.in_shape = tuple(in_shape)
        self.out_shape = tuple(out_shape)
        self.norm_name = norm
        # In a list, so that the teacher's module is neither trained nor saved.
        self._norm: List[nn.Module] = []

    def prepare_from_teacher(
        self, model: nn.Module, source: str, image: torch.Tensor
    ) -> None:
        """Find the batch normalisation; the distiller calls this.

        Args:
            model (nn.Module): The teacher, in eval mode.
            source (str): Name of the module whose output is the map.
            image (torch.Tensor): An image that the teacher takes.
        """
        if self.norm_name is None:
            norm = find_norm(model, source, image)
        else:
            norm = dict(model.named_modules()).get(self.norm_name)
        width = getattr(norm, 'num_features', None)
        if not isinstance(norm, _BatchNorm) or width != self.in_shape[0]:
            raise SettingError(
                f"MarginConnector: norm='{self.norm_name}' is no batch "
                f'normalisation of {self.in_shape[0]} channels in the '
                f"teacher; name the last one before '{source}'."
            )
        self._norm = [norm]

    def forward_train(self, feature: torch.Tensor) -> torch.Tensor:
        """Pool (N, C, H, W) to the student's size and clip at the margins."""
        if not self._norm:
            raise SettingError(
                "MarginConnector doesn't know the teacher's batch "
                "normalisation; use it with type='FeatureDistiller'."
            )
        feature = feature.detach()
        size = scaled_size(feature.shape[-2:], self.in_shape, self.out_shape)
        if size != tuple(feature.shape[-2:]):
            feature = F.adaptive_avg_pool2d(feature, size)
        margin = expected_negative(self._norm[0]).to(feature)
        return torch.maximum(feature, margin.view(1, -1, 1, 1))
