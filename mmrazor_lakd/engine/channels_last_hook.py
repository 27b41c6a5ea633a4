"""The memory layout in which convolutions are fastest."""

import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Train with weights and maps in the channels-last layout.

    Shapes, values and checkpoints stay what they are.

    Examples:
        >>> custom_hooks = [dict(type='ChannelsLastHook')]
    """

    def before_train(self, runner) -> None:
        """Lay the weights anew; the maps follow them."""
        runner.model.to(memory_format=torch.channels_last)
