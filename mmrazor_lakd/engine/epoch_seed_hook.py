"""A training that was interrupted ends like one that was not."""

import random

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS


def mix_seed(seed: int, step: int) -> int:
    """Mix a training's seed with how far it is.

    Args:
        seed (int): At least 0.
        step (int): At least 0.

    Returns:
        int: Below 2**32. Unlike ``seed + step``, it does not give another
        seed's training the same numbers at another step.
    """
    return int(np.random.SeedSequence([seed, step]).generate_state(1)[0])


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Seeds the random generators at the start of each epoch.

    MMEngine seeds them once, and a checkpoint does not hold their state, so
    that a resumed training augments its images in another way than one that
    went through. With this hook the state depends on the seed and the epoch
    alone: on a CPU both end with the same weights, bit by bit.

    That holds for loops by epochs whose data are loaded without workers, as
    the in-memory data sets of this project are. Workers draw from generators
    of their own, which nothing here reaches.

    Examples:
        >>> custom_hooks = [dict(type='EpochSeedHook')]
    """

    priority = 'VERY_HIGH'  # before whatever draws random numbers

    def before_train_epoch(self, runner) -> None:
        """Seed Python's, NumPy's and PyTorch's generators, of all devices."""
        seed = mix_seed(runner.seed, runner.iter)
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
