"""How similar teacher and student are, and what each module has learned."""

from ..tracing.features import read_maps
from .agreement import Agreement
from .cka import LinearCKA, cells, linear_cka
from .cross_product import CrossProduct
from .features import Comparison, compare_modules
from .linear_probe import LinearReadout, RidgeProbe, probe_features
from .local_module_hook import LocalModuleHook
from .map_correlation import map_correlation
from .module_ends import ModuleEnd, find_module_ends

__all__ = [
    'Agreement',
    'Comparison',
    'CrossProduct',
    'LinearCKA',
    'LinearReadout',
    'LocalModuleHook',
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
