"""The memory layout in which convolutions are fastest."""

from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from ...tracing.modules import unwrap_model


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Train with images, and so with maps, in the channels-last layout.

    Convolutions keep the layout of what they are given. The weights stay as
    they are: DistributedDataParallel lays out its buckets like the weights
    that it wraps, before any hook is called, and would fill weights that have
    been laid anew since with permuted gradients. Shapes and checkpoints stay
    what they are.

    Examples:
        >>> custom_hooks = [dict(type='ChannelsLastHook')]
    """

    def before_train(self, runner) -> None:
        """Lay out all images from here on, those of the validation too."""
        model = unwrap_model(runner.model)
        preprocessor = getattr(model, 'data_preprocessor', None)
        if preprocessor is None:  # no model of MMEngine's
            model.register_forward_pre_hook(
                lambda module, inputs: tuple(map(_lay, inputs))
            )
        else:
            preprocessor.register_forward_hook(_lay_images)


def _lay_images(module, inputs, data: Any) -> Any:
    """Lay out what a data preprocessor of MMEngine's gives."""
    if isinstance(data, dict):
        return {**data, 'inputs': _lay(data.get('inputs'))}
    return data


def _lay(images: Any) -> Any:
    """Lay out images (N, C, H, W), and leave alone what is none."""
    if not isinstance(images, torch.Tensor) or images.dim() != 4:
        return images
    images = images.contiguous(memory_format=torch.channels_last)
    _, channels, height, width = images.shape
    if channels == 1:
        # One channel lies in both layouts; the strides say which is meant.
        strides = (height * width, 1, width, 1)
        images = images.as_strided(images.shape, strides)
    return images
