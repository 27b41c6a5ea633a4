"""Data sets held in memory, and transforms of whole batches.

All are in MMPretrain's registries: ``type='mmpretrain.InMemoryCIFAR10'``.
"""

from .batch_transforms import BatchRandomCrop, BatchRandomFlip, BatchTransform
from .batch_views import BatchPerImage, BatchViews, views_collate
from .cifar import ConvertedCIFAR10, InMemoryCIFAR10, InMemoryCIFAR100
from .digits import Digits
from .image_batch import ImageBatch, whole_batch_collate
from .in_memory import InMemoryDataset

__all__ = [
    'BatchPerImage',
    'BatchRandomCrop',
    'BatchRandomFlip',
    'BatchTransform',
    'BatchViews',
    'ConvertedCIFAR10',
    'Digits',
    'ImageBatch',
    'InMemoryCIFAR10',
    'InMemoryCIFAR100',
    'InMemoryDataset',
    'views_collate',
    'whole_batch_collate',
]
