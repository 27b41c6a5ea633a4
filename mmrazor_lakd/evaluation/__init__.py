"""How alike teacher and student are, and what each module knows."""

from .answers import Answers
from .cka import LinearCKA, cells, linear_cka
from .cross_product import CrossProduct
from .linear_probe import LinearReadout, RidgeProbe, probe_features
from .map_correlation import map_correlation

__all__ = [
    'Answers',
    'CrossProduct',
    'LinearCKA',
    'LinearReadout',
    'RidgeProbe',
    'cells',
    'linear_cka',
    'map_correlation',
    'probe_features',
]
