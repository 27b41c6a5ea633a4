"""The memory layout in which convolutions are fastest."""

from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from ...tracing.modules import unwrap_model


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Trains with images, and thus maps, in the channels-last layout.

    Convolutions keep the layout of their input. The weights are left alone:
    DistributedDataParallel lays out its buckets like the weights that it
    wraps, before any hook is called, and would permute the gradients of
    weights whose layout changes afterwards. Shapes and checkpoints don't
    change.

    Examples:
        >>> custom_hooks = [dict(type='ChannelsLastHook')]
    """

    def before_train(self, runner) -> None:
        """Convert all images from here on, those of the validation too."""
        model = unwrap_model(runner.model)
        preprocessor = getattr(model, 'data_preprocessor', None)
        if preprocessor is None:  # not an MMEngine model
            model.register_forward_pre_hook(
                lambda module, inputs: tuple(map(_lay, inputs))
            )
        else:
            preprocessor.register_forward_hook(_lay_images)


def _lay_images(module, inputs, data: Any) -> Any:
    """Convert the output of an MMEngine data preprocessor."""
    if isinstance(data, dict):
        return {**data, 'inputs': _lay(data.get('inputs'))}
    return data


def _lay(images: Any) -> Any:
    """Convert images (N, C, H, W) and leave anything else alone."""
    if not isinstance(images, torch.Tensor) or images.dim() != 4:
        return images
    images = images.contiguous(memory_format=torch.channels_last)
    _, channels, height, width = images.shape
    if channels == 1:
        # One channel fits both layouts; the strides decide which is meant.
        strides = (height * width, 1, width, 1)
        images = images.as_strided(images.shape, strides)
    return images
