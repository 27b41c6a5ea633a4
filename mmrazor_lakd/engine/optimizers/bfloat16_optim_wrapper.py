"""bfloat16 training on every device."""

from contextlib import contextmanager
from typing import Iterator

import torch
from mmengine.device import get_device
from mmengine.logging import print_log
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

    On a CPU without AVX-512 it computes in float32, and logs this: PyTorch
    emulates bfloat16 there, ten times slower.

    Examples:
        >>> optim_wrapper = dict(
        ...     type='Bfloat16OptimWrapper',
        ...     optimizer=dict(type='SGD', lr=0.1),
        ... )
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.enabled = has_fast_bfloat16()
        if not self.enabled:
            print_log(
                'Bfloat16OptimWrapper computes in float32, since this CPU has '
                'no AVX-512, without which bfloat16 is ten times slower.',
                logger='current',
            )

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Run the enclosed code under autocast to bfloat16."""
        with super().optim_context(model):
            if self.enabled:
                with autocast(dtype=torch.bfloat16):
                    yield
            else:
                yield


def has_fast_bfloat16() -> bool:
    """Check whether convolutions in bfloat16 are not emulated."""
    if get_device() != 'cpu':
        return True
    known = getattr(torch.ops.mkldnn, '_is_mkldnn_bf16_supported', None)
    return known is None or known()  # PyTorch 1.13 doesn't tell
