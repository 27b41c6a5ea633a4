"""Batch normalisation that accepts a last batch of one image."""

import torch
import torch.nn.functional as F
from torch import nn


class BatchNorm2d(nn.BatchNorm2d):
    """PyTorch's, with running statistics for a single value per channel.

    The last batch of an epoch may be one image, and pooled features are maps
    of one element. Such a batch has no variance, and PyTorch raises an error
    in training; here it is normalised by the running statistics, which stay
    unchanged.
    """

    def forward(self, feature: torch.Tensor) -> torch.Tensor:
        """Normalise a map (N, C, H, W)."""
        if not self.training or feature.numel() > self.num_features:
            return super().forward(feature)
        return F.batch_norm(
            feature,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            eps=self.eps,
        )
