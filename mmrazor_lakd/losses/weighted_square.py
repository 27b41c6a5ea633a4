"""The squared difference of two maps, with an explicit gradient.

Autograd would keep several float32 copies of the maps for this. Here, one
difference is kept, in the maps' own precision, for any number of weightings;
sums are taken in float32, a few images at a time.
"""

import math
from typing import Iterator, Sequence, Tuple

import torch
from torch.autograd.function import once_differentiable

from .checks import check_shapes

# Into how many parts a map is split: small parts save memory and stay in a
# CPU's cache, but each costs a GPU a few more launches, so that there only
# large maps have more than two.
CPU_PARTS = 8
LARGE_PART = 2**22  # elements: 16 MiB in float32


def at_least_float32(feature: torch.Tensor) -> torch.Tensor:
    """Convert half precision to float32: sums over a map overflow float16."""
    if feature.dtype in (torch.float16, torch.bfloat16):
        return feature.float()
    return feature


def chunks(feature: torch.Tensor) -> Iterator[torch.Tensor]:
    """Yield a few images of a map (N, C, H, W) at a time, in float32."""
    if feature.device.type == 'cpu':
        parts = CPU_PARTS
    else:
        parts = max(2, math.ceil(feature.numel() / LARGE_PART))
    for part in feature.chunk(parts):
        yield at_least_float32(part)


def map_variance(feature: torch.Tensor) -> torch.Tensor:
    """Compute the variance of all elements of a map (N, C, H, W), a scalar.

    Like ``feature.var(unbiased=False)``, which is several times slower on
    CPUs.
    """
    count = feature.numel()
    total, square = 0.0, 0.0
    for part in chunks(feature):
        total = total + part.sum()
        square = square + torch.linalg.vector_norm(part).square()
    return (square / count - (total / count).square()).clamp(min=0)


class _WeightedSquare(torch.autograd.Function):
    """See :func:`weighted_square`."""

    @staticmethod
    def forward(ctx, s_feature, t_feature, *weights):
        difference = s_feature - t_feature
        squares = torch.cat(
            [part.square().sum(1, keepdim=True) for part in chunks(difference)]
        )
        ctx.save_for_backward(difference, *weights)
        ctx.dtype = s_feature.dtype
        return torch.stack([(squares * weight).sum() for weight in weights])

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output):
        difference, *weights = ctx.saved_tensors
        weight = sum(2 * g * w for g, w in zip(grad_output, weights))
        if difference.dtype == torch.float16:
            # which would round the weights of a mean over a map to 0
            scale = weight.abs().amax().clamp(min=1e-30)
            grad = (difference * (weight / scale).half()).mul_(scale)
        else:
            grad = difference * weight.to(difference.dtype)
        return (grad.to(ctx.dtype), None, *(None for _ in weights))


def weighted_square(
    s_feature: torch.Tensor,
    t_feature: torch.Tensor,
    weights: Sequence[torch.Tensor],
) -> Tuple[torch.Tensor, ...]:
    r"""Sum the squared difference of two maps under several weightings.

    .. math:: L_k = \sum_{n,c,h,w} W_k (F_S - F_T)^2

    Args:
        s_feature (torch.Tensor): The student's map, (N, C, H, W). The only
            argument that gets a gradient.
        t_feature (torch.Tensor): The teacher's map, of the same shape.
        weights (Sequence[torch.Tensor]): The weightings, each of shape
            (N, 1, H, W) or a scalar.

    Returns:
        tuple[torch.Tensor]: A scalar each, in float32 (float64 for float64
        maps).

    Raises:
        SettingError: If the maps differ in shape.
    """
    check_shapes('A loss of feature maps', s_feature, t_feature)
    values = _WeightedSquare.apply(
        s_feature, t_feature.detach(), *(w.detach() for w in weights)
    )
    return values.unbind()
