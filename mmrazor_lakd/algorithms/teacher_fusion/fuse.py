"""Speeds up a frozen teacher's forward pass without changing its outputs."""

from functools import partial
from typing import Callable, List, Optional, Tuple

import torch
from mmengine.logging import print_log
from torch import nn

from .fold_batch_norm import find_pairs, fold
from .inplace_relu import find_relus, set_inplace

# Relative difference of a map that is taken for rounding.
TOLERANCE = 1e-4


@torch.no_grad()
def fuse(
    model: nn.Module, forward: Callable[[], List[torch.Tensor]]
) -> Tuple[int, int]:
    """Fold the batch normalisation, and activate in place, where possible.

    The outputs are compared before and after each of the two. If they differ
    by more than rounding (a model that uses a convolution's output in two
    places, say), it is undone.

    Args:
        model (nn.Module): A model in eval mode that stays in it.
        forward (Callable): Runs the model once, and returns the tensors that
            matter: its output, and what recorders took.

    Returns:
        tuple[int, int]: How many normalisations were folded, and how many
        activations are now in place.
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
            change = _largest_change(expected, forward())
            if not change < TOLERANCE:
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


def _largest_change(
    before: List[torch.Tensor], after: List[torch.Tensor]
) -> float:
    """Compute the largest relative difference of two lists of maps."""
    changes = [
        (b - a).norm() / b.norm().clamp(min=1e-12)
        for b, a in zip(before, after)
    ]
    return torch.stack(changes).max().item()  # NaN if one of them is


def memory_format(
    model: nn.Module, images: Optional[torch.Tensor] = None
) -> torch.memory_format:
    """Find out whether a model computes channels last.

    It does where its weights or its images (N, C, H, W) lie so.
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
        # So are images of one channel, whose strides tell.
        found = found or (images.stride(1) == 1 and images[0, 0].numel() > 1)
    return last if found else torch.contiguous_format
