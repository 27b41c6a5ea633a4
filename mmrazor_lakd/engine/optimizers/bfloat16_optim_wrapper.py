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

#: CUDA's number of the first GPUs with bfloat16
AMPERE = 8


@OPTIM_WRAPPERS.register_module()
class Bfloat16OptimWrapper(OptimWrapper):
    """An :class:`OptimWrapper` whose forward passes run in bfloat16.

    MMEngine's ``AmpOptimWrapper`` refuses to run on a CPU, and scales the
    loss, which bfloat16 doesn't need: its range is that of float32. Weights,
    gradients and the optimizer's state stay in float32.

    It computes in float32, and logs this, on a device without bfloat16 of its
    own: PyTorch emulates it on a CPU without AVX-512, ten times slower, and
    on GPUs before NVIDIA's Ampere; MMEngine has no autocast on Apple's.

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
                f'Bfloat16OptimWrapper computes in float32, since this '
                f'{get_device()} device has no fast bfloat16, as CPUs with '
                f'AVX-512 and GPUs from Ampere on have.',
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
    device = get_device()
    if device == 'cuda':
        # AMD's have it, and their numbers are others.
        is_amd = torch.version.hip is not None
        return is_amd or torch.cuda.get_device_capability()[0] >= AMPERE
    if device != 'cpu':
        return device != 'mps'
    known = getattr(torch.ops.mkldnn, '_is_mkldnn_bf16_supported', None)
    return known is None or known()  # PyTorch 1.13 doesn't tell
