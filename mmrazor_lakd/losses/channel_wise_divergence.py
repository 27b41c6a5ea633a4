"""MMRazor's CWD for maps of any memory layout, computed in float32."""

import torch
from mmrazor.models.losses import ChannelWiseDivergence as MMRazorsDivergence
from mmrazor.registry import MODELS

from .checks import check_settings, check_shapes
from .weighted_square import at_least_float32


@MODELS.register_module(force=True)
class ChannelWiseDivergence(MMRazorsDivergence):
    """MMRazor's loss of this name, in whose place it is registered.

    MMRazor's fails on maps that are channels last, as SegFormer's logits are:
    "view size is not compatible with input tensor's size and stride"; and it
    rounds a small difference of large logarithms to half precision.

    Source: Shu et al., "Channel-wise Knowledge Distillation for Dense
    Prediction", ICCV 2021.
    """

    def __init__(self, tau: float = 1.0, loss_weight: float = 1.0) -> None:
        super().__init__(tau, loss_weight)
        check_settings(self)

    def forward(
        self, preds_S: torch.Tensor, preds_T: torch.Tensor
    ) -> torch.Tensor:
        """Compute the loss of two maps (N, C, H, W): a scalar."""
        check_shapes(self, preds_S, preds_T)
        return super().forward(
            at_least_float32(preds_S).contiguous(),
            at_least_float32(preds_T).contiguous(),
        )
