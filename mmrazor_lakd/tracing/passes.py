"""Run a model as far as somebody looks at it, without changing it."""

import random
from contextlib import contextmanager
from typing import Any, Dict, Iterator, List, Optional, Sequence

import numpy as np
import torch
from mmengine.structures import InstanceData, PixelData
from torch import nn

from .modules import eval_mode

# The parts of a model that ``extract_feat`` runs.
FEATURE_PARTS = ('backbone', 'neck')
# Packages whose models give maps or boxes, and no logits (N, K).
DENSE_PACKAGES = ('mmseg', 'mmdet')


def dense_package(model: nn.Module) -> Optional[str]:
    """Return the package of a segmentor or detector; None for others."""
    packages = {kind.__module__.split('.')[0] for kind in type(model).mro()}
    return next((name for name in DENSE_PACKAGES if name in packages), None)


def within_features(model: nn.Module, names: Sequence[str]) -> bool:
    """Check whether ``model.extract_feat`` runs all of these modules.

    Args:
        model (nn.Module): A model of MMEngine.
        names (Sequence[str]): Names as in ``model.named_modules()``; without
            any, the model's output is what matters.
    """
    return bool(names) and all(
        name.split('.')[0] in FEATURE_PARTS
        and callable(getattr(model, 'extract_feat', None))
        for name in names
    )


def run_model(
    model: nn.Module,
    images: torch.Tensor,
    names: Sequence[str] = (),
    data_samples: Optional[List] = None,
) -> Any:
    """Run a model without its losses, as far as some modules need.

    Args:
        model (nn.Module): A model of MMEngine.
        images (torch.Tensor): Preprocessed images, (N, C, H, W).
        names (Sequence[str]): The modules. If all of them are in the backbone
            or the neck, ``extract_feat`` is called: heads, which may need
            labels, are not run. Without any, the whole model is run.
        data_samples (list, optional): The images' samples. Defaults to None:
            synthetic ones if the whole of a detector or segmentor is run.

    Returns:
        Any: The features, or the output of ``mode='tensor'``.
    """
    if within_features(model, names):
        return model.extract_feat(images)
    if data_samples is None:
        data_samples = synthetic_samples(model, images)
    if data_samples is None:
        return model(images, mode='tensor')
    return model(images, data_samples, mode='tensor')


def run_training_losses(model: nn.Module, images: torch.Tensor) -> Any:
    """Compute the losses of a detector or segmentor on synthetic samples.

    Auxiliary heads, for example, run only then.

    Raises:
        NotImplementedError: If no samples can be made for the model.
    """
    data_samples = synthetic_samples(model, images)
    if data_samples is None:
        raise NotImplementedError(type(model).__name__)
    return model(images, data_samples, mode='loss')


def synthetic_samples(
    model: nn.Module, images: torch.Tensor
) -> Optional[List]:
    """Make samples for a detector or a segmentor.

    Each has one object, or one class everywhere.

    Args:
        model (nn.Module): The model.
        images (torch.Tensor): Its images, (N, C, H, W).

    Returns:
        list: A sample per image; None for other models, which need none.
    """
    height, width = images.shape[-2:]
    size = (height, width)
    meta = dict(
        img_shape=size,
        ori_shape=size,
        pad_shape=size,
        batch_input_shape=size,
        scale_factor=(1.0, 1.0),
    )
    package = dense_package(model)
    truth: Dict[str, Any]
    if package == 'mmseg':
        from mmseg.structures import SegDataSample as kind

        labels = images.new_zeros(1, height, width, dtype=torch.long)
        truth = dict(gt_sem_seg=PixelData(data=labels))
    elif package == 'mmdet':
        from mmdet.structures import DetDataSample as kind
        from mmdet.structures.mask import BitmapMasks

        sides = (width // 4, height // 4, 3 * width // 4, 3 * height // 4)
        instances = InstanceData(
            bboxes=images.new_tensor([sides]),
            labels=images.new_zeros(1, dtype=torch.long),
        )
        if any('Mask' in type(part).__name__ for part in model.modules()):
            instances.masks = BitmapMasks(np.ones((1, *size), np.uint8), *size)
        truth = dict(gt_instances=instances)
    else:
        return None
    return [
        kind(metainfo=meta, **{k: v.clone() for k, v in truth.items()})
        for _ in images
    ]


@contextmanager
def unchanged(model: nn.Module) -> Iterator[None]:
    """Set a model to eval mode, and restore what a pass may change.

    These are each module's mode, the buffers and the random state.
    """
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    states = (random.getstate(), np.random.get_state())
    devices = {p.device for p in model.parameters() if p.is_cuda}
    with eval_mode(model), torch.random.fork_rng(devices=list(devices)):
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])
            with torch.no_grad():
                for buffer, before in buffers:
                    buffer.copy_(before)


@contextmanager
def kept_buffers(model: nn.Module) -> Iterator[None]:
    """Let what is in train mode change copies of its buffers.

    Batch normalisation uses the batch's statistics; the running ones stay.
    """
    # A momentum of 0 would make NaN of an infinite map, and without any
    # statistics autograd would save fewer tensors.
    changing = [part for part in model.modules() if part.training]
    kept = [dict(part._buffers) for part in changing]
    copies: Dict[int, torch.Tensor] = {}  # modules may share one
    for part, buffers in zip(changing, kept):
        for name, buffer in buffers.items():
            if buffer is not None and id(buffer) not in copies:
                copies[id(buffer)] = buffer.clone()
            part._buffers[name] = copies.get(id(buffer))
    try:
        yield
    finally:
        for part, buffers in zip(changing, kept):
            part._buffers.update(buffers)
