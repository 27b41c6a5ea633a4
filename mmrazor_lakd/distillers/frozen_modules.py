"""Warn of local modules that are taught and have nothing that could learn."""

import logging

import torch
from mmengine.logging import print_log


def warn_if_frozen(index: int, name: str, output: torch.Tensor) -> None:
    """Warn if none of a local module's weights can learn.

    That is so behind the ``frozen_stages`` of a backbone. The losses there
    cost time and memory and change no weight of the student's. It is no error,
    since the cut itself may be needed: behind each level that a neck joins.

    Args:
        index (int): Index of the boundary that ends the module.
        name (str): The student's module there.
        output (torch.Tensor): Its map in a training step, with its graph.
    """
    if output.requires_grad or not torch.is_grad_enabled():
        return
    print_log(
        f"local_modules[{index}]: the student has no weight before '{name}' "
        f'(and behind the cut before it) that learns, since they are frozen '
        f'(frozen_stages of the backbone?), so that what it is taught there '
        f'has no effect; name a later module, write feature_loss=None and '
        f'attention_loss=None, or unfreeze these weights.',
        logger='current',
        level=logging.WARNING,
    )
