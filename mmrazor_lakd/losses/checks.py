"""Checks of what a loss is computed with: its settings, a teacher's map."""

from inspect import Parameter, signature
from typing import Any, Dict, Union

import torch
from torch import nn

from ..errors import SettingError, check_number

# A weight of 0 is allowed: it switches a loss off and leaves the rest of the
# training unchanged, as an ablation needs.
WEIGHTS = (
    'loss_weight', 'alpha', 'beta', 'label_weight', 'kd_weight',
    'inter_loss_weight', 'intra_loss_weight', 'alpha_mgd', 'mask_l2_weight',
    'channel_weight', 'spatial_weight', 'nonloacl_weight',  # as MMRazor has it
)  # fmt: skip
# Attributes of our losses and of MMRazor's, with arguments of check_number.
LOSS_SETTINGS: Dict[str, Dict[str, Any]] = {
    **{name: dict(minimum=0, example=1.0) for name in WEIGHTS},
    'tau': dict(above=0, example=4.0),
    'temperature': dict(above=0, example=0.07),
    # the gradient of |x|^p at 0 is infinite below 1
    'p': dict(minimum=1, example=2),
    'margin': dict(minimum=0, example=1.0),
    'mult': dict(above=0, example=1.0),
    'mul_factor': dict(above=0, example=1000.0),
}
# A factor whose square times a loss would overflow float32.
HUGE = 1e18
# Cells along a map's side: more than any map has, and few enough to compute.
MOST_CELLS = 1024
# A map whose values differ by less than this fraction of the largest one is
# constant but for rounding.
CONSTANT = 1e-5


def check_settings(loss: nn.Module, owner: str = '') -> None:
    """Check that weights, temperatures and the like are in their range.

    Args:
        loss (nn.Module): A loss of ours or of MMRazor's.
        owner (str): What to call it. Defaults to the name of its class.

    Raises:
        SettingError: If a setting isn't a finite number in its range.
    """
    owner = owner or type(loss).__name__
    for name, bounds in LOSS_SETTINGS.items():
        if hasattr(loss, name):
            check_number(owner, name, getattr(loss, name), **bounds)
    for name, parameter in init_parameters(type(loss)).items():
        value = getattr(loss, name, False)
        # Any text would count as True, even 'no'.
        if parameter.annotation is bool and not isinstance(value, bool):
            raise SettingError(
                f'{owner} has {name}={value!r}; write {name}=True or '
                f'{name}=False.'
            )
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            check_number(owner, name, value, below=HUGE)


def init_parameters(cls: type) -> Dict[str, Parameter]:
    """Return the arguments of a class, with those of its bases."""
    found: Dict[str, Parameter] = {}
    for kind in cls.mro():
        if '__init__' in vars(kind):
            found = {**signature(kind).parameters, **found}
    return found


def check_shapes(
    loss: Union[str, nn.Module], s: torch.Tensor, t: torch.Tensor
) -> None:
    """Check that student's and teacher's tensor are of one shape.

    PyTorch would repeat a side of 1 to the other's length.

    Args:
        loss (nn.Module | str): The loss, or what to call it.
        s (torch.Tensor): The student's.
        t (torch.Tensor): The teacher's.

    Raises:
        SettingError: If they aren't.
    """
    if s.shape != t.shape:
        raise SettingError(
            f'{_name(loss)} compares tensors of equal shape, but the '
            f"student's is {tuple(s.shape)} and the teacher's "
            f'{tuple(t.shape)}; name modules whose outputs agree, or bring '
            f"the student's there with a connector."
        )


def check_batches(loss: nn.Module, s: torch.Tensor, t: torch.Tensor) -> None:
    """Check that student's and teacher's tensor are of as many images.

    Args:
        loss (nn.Module): The loss.
        s (torch.Tensor): The student's, (N, ...).
        t (torch.Tensor): The teacher's, (N, ...), otherwise of any shape.

    Raises:
        SettingError: If they aren't.
    """
    if len(s) != len(t):
        raise SettingError(
            f'{_name(loss)} compares the outputs for the same images, but '
            f'gets {len(s)} of the student and {len(t)} of the teacher; take '
            f"both networks' records from the same forward pass."
        )


def check_channels(loss: nn.Module, s: torch.Tensor, t: torch.Tensor) -> None:
    """Check that two maps are of as many images and channels.

    Args:
        loss (nn.Module): The loss.
        s (torch.Tensor): The student's map, (N, C, H, W).
        t (torch.Tensor): The teacher's map, (N, C, H', W').

    Raises:
        SettingError: If they aren't.
    """
    check_batches(loss, s, t)
    if s.shape[1] != t.shape[1]:
        raise SettingError(
            f'{_name(loss)} compares maps of as many channels, but the '
            f"student's has {s.shape[1]} and the teacher's {t.shape[1]}; "
            f"bring the student's there with a connector."
        )


def check_labels(loss: nn.Module, labels: torch.Tensor, classes: int) -> None:
    """Check that labels are indices of classes.

    On a GPU, PyTorch would end the process.

    Args:
        loss (nn.Module): The loss.
        labels (torch.Tensor): Indices, of any shape.
        classes (int): The number of classes.

    Raises:
        SettingError: If one isn't.
    """
    wrong = labels[(labels < 0) | (labels >= classes)]
    if len(wrong):
        raise SettingError(
            f'{_name(loss)} gets the label {int(wrong[0])}, but there are '
            f'{classes} classes, 0 to {classes - 1}; set num_classes of both '
            f'heads to the number of classes of the data.'
        )


def check_class_indices(
    loss: nn.Module, labels: torch.Tensor, images: int, classes: int
) -> None:
    """Check that there is one index of a class for each image.

    Args:
        loss (nn.Module): The loss.
        labels (torch.Tensor): What should be the indices.
        images (int): The number of images.
        classes (int): The number of classes.

    Raises:
        SettingError: If a label isn't an index, such as Mixup's soft labels,
            or an image has several labels.
    """
    if labels.numel() != images or labels.is_floating_point():
        raise SettingError(
            f'{_name(loss)} needs one class index for each of {images} '
            f'images, but the labels are of shape {tuple(labels.shape)} and '
            f'{labels.dtype}; train without batch augmentation (Mixup, '
            f'CutMix) and to_onehot, which make soft labels, and with one '
            f"label an image, or write type='LogitsKDLoss', which needs no "
            f'labels.'
        )
    check_labels(loss, labels, classes)


def _name(loss: Union[str, nn.Module]) -> str:
    return loss if isinstance(loss, str) else type(loss).__name__


def check_losses(losses: nn.ModuleDict, where: str = 'distill_losses') -> None:
    """Check the settings of MMRazor's losses, which check none themselves.

    Other losses are skipped: their attributes may mean something else.

    Args:
        losses (nn.ModuleDict): Losses by their names in the config.
        where (str): The config key that they come from.

    Raises:
        SettingError: See :func:`check_settings`.
    """
    for name, loss in losses.items():
        for part in loss.modules():  # a WarmupLoss wraps another one
            kinds = type(part).mro()
            if any(kind.__module__.startswith('mmrazor.') for kind in kinds):
                check_settings(part, f'{where}.{name} ({kinds[0].__name__})')


def check_loss_names(losses: nn.ModuleDict) -> None:
    """Raise if MMEngine would log a loss but not minimise it.

    Raises:
        SettingError: If a key of ``distill_losses`` lacks "loss".
    """
    for name in losses:
        if 'loss' not in name:
            raise SettingError(
                f"distill_losses: '{name}' would be logged and never "
                f"trained, since MMEngine sums what has 'loss' in its name; "
                f"call it 'loss_{name}', in loss_forward_mappings too."
            )


def check_map(feature: torch.Tensor, where: str) -> None:
    """Check that a teacher's map isn't constant.

    A constant map teaches nothing, and a loss divided by its variance would be
    millions of times too large. Values that aren't finite are left to
    :class:`~mmrazor_lakd.engine.DivergenceHook`.

    Args:
        feature (torch.Tensor): The teacher's map, (N, C, H, W), or any other
            tensor; integers and single numbers are not checked.
        where (str): Where it comes from, for the message.

    Raises:
        SettingError: If all values of all images and channels are equal.
    """
    if not feature.is_floating_point() or feature.numel() < 2:
        return
    low, high = feature.amin().item(), feature.amax().item()
    if high - low <= CONSTANT * max(abs(low), abs(high)) < float('inf'):
        raise SettingError(
            f'{where} gives a map that is {high:.4g} everywhere, in all '
            f'channels and images of the first batch, which teaches nothing; '
            f"check the teacher's checkpoint and the images, or name another "
            f'module.'
        )
