"""bfloat16 training on every device."""

from contextlib import contextmanager
from typing import Iterator

import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from mmengine.runner.amp import autocast
from torch import nn


@OPTIM_WRAPPERS.register_module()
class Bfloat16OptimWrapper(OptimWrapper):
    """An :class:`OptimWrapper` whose forward passes run in bfloat16.

    MMEngine's ``AmpOptimWrapper`` refuses to run on a CPU, and scales the
    loss, which bfloat16 doesn't need: its range is that of float32. Weights,
    gradients and the optimizer's state stay in float32.

    Examples:
        >>> optim_wrapper = dict(
        ...     type='Bfloat16OptimWrapper',
        ...     optimizer=dict(type='SGD', lr=0.1),
        ... )
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Run what is inside under autocast to bfloat16."""
        with super().optim_context(model), autocast(dtype=torch.bfloat16):
            yield
