"""Parameters that a step doesn't use, in a training of several processes."""

from typing import Optional

import torch
from mmengine.dist import is_distributed
from torch import nn


def idle_loss(module: nn.Module) -> Optional[torch.Tensor]:
    """Compute a loss of 0 that gives a module's parameters a gradient of 0.

    DistributedDataParallel waits for a gradient of each, unless it looks for
    unused ones at each step, which MMEngine's default doesn't.

    Args:
        module (nn.Module): What no other loss of this step reaches.

    Returns:
        torch.Tensor: A scalar; None in a training of one process, or if
        nothing of it learns.
    """
    learned = [p for p in module.parameters() if p.requires_grad]
    if not learned or not is_distributed():
        return None
    return torch.stack([0 * param.sum() for param in learned]).sum()
