"""LAKD, Local Attention Knowledge Distillation, for MMRazor.

Importing this package repairs MMRazor and MMEngine where today's PyTorch
breaks them (:mod:`mmrazor_lakd.compat`) and registers everything below in
the registries of MMRazor and mmpretrain. A config needs one line::

    custom_imports = dict(imports=['mmrazor_lakd'])
"""

import gc
import warnings

# Imports make a million objects that stay. To look for garbage among them,
# again and again, takes a fifth of the time to start.
_collecting = gc.isenabled()
gc.disable()

from . import compat  # noqa: E402
from .numpy_check import check_numpy  # noqa: E402

# At every start, mmcv-lite warns about an operator that nothing here uses.
warnings.filterwarnings(
    'ignore', message='Fail to import ``MultiScaleDeformableAttention``'
)
check_numpy()
compat.apply()  # before anything that imports MMRazor

from . import (  # noqa: E402
    algorithms,
    analysis,
    backbones,
    connectors,
    datasets,
    distillers,
    engine,
    heads,
    losses,
)
from .errors import SettingError  # noqa: E402
from .version import __version__  # noqa: E402

if _collecting:
    gc.enable()

__all__ = [
    'SettingError',
    '__version__',
    'algorithms',
    'analysis',
    'backbones',
    'compat',
    'connectors',
    'datasets',
    'distillers',
    'engine',
    'heads',
    'losses',
]
