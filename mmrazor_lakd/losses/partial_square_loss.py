"""OFD's loss, with an explicit gradient."""

import torch
from mmrazor.models.losses import OFDLoss
from mmrazor.registry import MODELS

from .checks import check_settings, check_shapes
from .weighted_square import weighted_square


@MODELS.register_module()
class PartialSquareLoss(OFDLoss):
    r"""The partial L2 distance of OFD, MMRazor's :class:`OFDLoss`.

    .. math::
        L = \frac{1}{1000 N} \sum (F_S - F_T)^2\,[F_S > F_T \lor F_T > 0]

    with the teacher's map clipped at its margins
    (:class:`~mmrazor_lakd.connectors.MarginConnector`). MMRazor's squares in
    the precision of the maps, in which differences above 256 overflow float16,
    and autograd keeps three maps for it. This one sums in float32, and keeps
    the difference alone (:func:`weighted_square`).

    Source: Heo et al., "A Comprehensive Overhaul of Feature Distillation",
    arXiv 1904.01866, equation 3.

    Args:
        loss_weight (float): Weight of the loss. Defaults to 1.0.
        mul_factor (float): Divisor of the sum, besides the number of images.
            Defaults to 1000.

    Raises:
        SettingError: If the weight is below 0, or the factor not above 0.

    Examples:
        >>> loss_ofd3 = dict(type='PartialSquareLoss', loss_weight=1.0)
    """

    def __init__(
        self, loss_weight: float = 1.0, mul_factor: float = 1000.0
    ) -> None:
        super().__init__(loss_weight, mul_factor)
        check_settings(self)

    def forward(
        self, s_feature: torch.Tensor, t_feature: torch.Tensor
    ) -> torch.Tensor:
        """Compare two maps of equal shape (N, C, H, W); return a scalar."""
        check_shapes(self, s_feature, t_feature)
        s, t = s_feature.detach(), t_feature.detach()
        # No difference where none counts; one with a NaN does.
        target = torch.where((s <= t) & (t <= 0), s, t)
        weight = self.loss_weight / (self.mul_factor * len(s))
        dtype = torch.promote_types(s.dtype, torch.float32)
        weights = [s.new_tensor(weight, dtype=dtype)]
        return weighted_square(s_feature, target, weights)[0]
