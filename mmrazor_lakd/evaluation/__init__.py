"""How alike teacher and student are, and what each module knows."""

from .answers import Answers
from .cka import LinearCKA, cells, linear_cka
from .cross_product import CrossProduct
from .linear_probe import LinearReadout, RidgeProbe, probe_features
from .look import Comparison, compare_modules
from .map_correlation import map_correlation
from .module_ends import ModuleEnd, find_module_ends
from .read_maps import read_maps

__all__ = [
    'Answers',
    'Comparison',
    'CrossProduct',
    'LinearCKA',
    'LinearReadout',
    'ModuleEnd',
    'RidgeProbe',
    'cells',
    'compare_modules',
    'find_module_ends',
    'linear_cka',
    'map_correlation',
    'probe_features',
    'read_maps',
]
