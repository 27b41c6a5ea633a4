"""MMRazor's CWD for maps of any memory layout."""

import torch
from mmrazor.models.losses import ChannelWiseDivergence as MMRazorsDivergence
from mmrazor.registry import MODELS


@MODELS.register_module(force=True)
class ChannelWiseDivergence(MMRazorsDivergence):
    """MMRazor's loss of this name, in whose place it is registered.

    MMRazor's fails on maps that are channels last, as SegFormer's logits are:
    "view size is not compatible with input tensor's size and stride".

    Source: Shu et al., "Channel-wise Knowledge Distillation for Dense
    Prediction", ICCV 2021.
    """

    def forward(
        self, preds_S: torch.Tensor, preds_T: torch.Tensor
    ) -> torch.Tensor:
        """Compute the loss of two maps (N, C, H, W): a scalar."""
        return super().forward(preds_S.contiguous(), preds_T.contiguous())
