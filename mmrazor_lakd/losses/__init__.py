"""Losses between a student's and a teacher's feature maps."""

from .local_feature_loss import LocalFeatureLoss, local_feature_loss
from .ndam_loss import NDAMLoss, ndam_loss, ndam_map

__all__ = [
    'LocalFeatureLoss',
    'NDAMLoss',
    'local_feature_loss',
    'ndam_loss',
    'ndam_map',
]
