"""Speeds up a frozen teacher's forward pass without changing its outputs."""

from functools import partial
from typing import Callable, List, Optional, Tuple

import torch
from mmengine.logging import print_log
from torch import nn

from ...tracing.compare import largest_change
from .fold_batch_norm import find_pairs, fold
from .inplace_relu import find_relus, set_inplace


@torch.no_grad()
def fuse(
    model: nn.Module, forward: Callable[[], List[torch.Tensor]]
) -> Tuple[int, int]:
    """Fold batch normalisation and make activations in place if possible.

    The outputs are compared before and after each of the two changes. If they
    differ by more than rounding (for example because a convolution's output
    is used in two places), the change is undone.

    Args:
        model (nn.Module): A model that stays in eval mode.
        forward (Callable): Runs the model once, and returns the tensors that
            matter: its output and the records.

    Returns:
        tuple[int, int]: The number of folded normalisations, and of
        activations that are now in place.
    """
    counts = []
    for what, find, apply in (
        (
            'batch normalisation is not folded',
            find_pairs,
            partial(fold, model),
        ),
        ('activations are not in place', find_relus, set_inplace),
    ):
        found = find(model, forward)
        if found:
            expected = [tensor.clone() for tensor in forward()]
            undo = apply(found)
            change = largest_change(expected, forward())
            if not change <= 1:  # NaN, too
                undo()
                found = []
                print_log(
                    f"The teacher's {what}: a map would change by "
                    f'{change:.1e}.',
                    logger='current',
                )
        counts.append(len(found))
    folded, in_place = counts
    return folded, in_place


def memory_format(
    model: nn.Module, images: Optional[torch.Tensor] = None
) -> torch.memory_format:
    """Return the memory format in which a model computes.

    It is channels last if that of its weights or images (N, C, H, W) is.
    """
    last = torch.channels_last
    # A 1x1 convolution's weights are contiguous in both senses.
    found = any(
        p.dim() == 4
        and p.is_contiguous(memory_format=last)
        and not p.is_contiguous()
        for p in model.parameters()
    )
    if images is not None and images.dim() == 4:
        # So are images of one channel; their strides differ.
        found = found or (images.stride(1) == 1 and images[0, 0].numel() > 1)
    return last if found else torch.contiguous_format
