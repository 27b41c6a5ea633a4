"""A stem that is recomputed, a few of its channels at a time.

The stem of a network for large images, a convolution with batch
normalisation, an activation and often a pooling, works at a height and width
at which each of its maps weighs as much as a whole later stage. All of it acts
on each output channel by itself, and its input are the images, which need no
gradient. So a group of channels can be computed after another, in the forward
and, again, in the backward pass, and only one group is held at a time.
"""

from collections import Counter
from functools import partial
from typing import (
    Any,
    Callable,
    Dict,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
    Type,
)

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from ..errors import SettingError
from ..tracing.modules import forward_hooks
from ..tracing.passes import unchanged
from ..tracing.records import tensors_in

#: The fewest channels of a group, and the most groups.
GROUP_CHANNELS = 8
MOST_GROUPS = 8
ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.Hardswish, nn.SiLU, nn.GELU)


class Stem(NamedTuple):
    """The first layers of a network, by their names.

    Attributes:
        conv (str): A convolution of the images.
        norm (str): Its batch normalisation.
        rest (list[str]): An activation and a pooling, as far as they follow.
    """

    conv: str
    norm: str
    rest: List[str]

    @property
    def names(self) -> List[str]:
        """list[str]: All of them, in order."""
        return [self.conv, self.norm, *self.rest]


def find_stem(model: nn.Module, run: Callable[[], Any]) -> Optional[Stem]:
    """Find the layers that begin a network.

    Args:
        model (nn.Module): The network.
        run (Callable): Runs it on images.

    Returns:
        Stem: None if it doesn't begin with a convolution without groups
        followed by a :class:`torch.nn.BatchNorm2d`.
    """
    order: List[str] = []
    given: Dict[str, torch.Tensor] = {}
    made: Dict[str, torch.Tensor] = {}
    calls: Counter = Counter()

    def note(name):
        def hook(module, inputs, output):
            calls[name] += 1
            if name not in made and isinstance(output, torch.Tensor):
                order.append(name)
                given[name] = (tensors_in(inputs) or [None])[0]
                made[name] = output

        return hook

    modules = dict(model.named_modules())
    layers = [n for n, m in modules.items() if n and not list(m.children())]
    with forward_hooks((modules[n], note(n)) for n in layers):
        with unchanged(model), torch.no_grad():
            run()

    def is_plain(name: str, kind: Type[nn.Module]) -> bool:
        # Subclasses that pad, or that standardise weights, compute more.
        return getattr(modules[name].forward, '__func__', None) is kind.forward

    def follows(place: int, kinds: Tuple[type, ...]) -> bool:
        if place >= len(order):
            return False
        name, before = order[place], order[place - 1]
        return (
            isinstance(modules[name], kinds)
            and calls[name] == 1
            and given[name] is made[before]
        )

    conv = modules[order[0]] if order else None
    if not isinstance(conv, nn.Conv2d) or conv.groups > 1:
        return None
    if calls[order[0]] > 1 or not is_plain(order[0], nn.Conv2d):
        return None
    if not follows(1, (nn.BatchNorm2d,)):
        return None
    if not is_plain(order[1], nn.BatchNorm2d):
        return None
    rest: List[str] = []
    for kinds in (ACTIVATIONS, (nn.MaxPool2d, nn.AvgPool2d)):
        place = 2 + len(rest)
        if follows(place, kinds):
            rest.append(order[place])
    return Stem(order[0], order[1], rest)


def recompute_stem(model: nn.Module, stem: Stem) -> None:
    """Let the stem's convolution compute the whole stem, group by group.

    The other layers then return what they are given.

    Args:
        model (nn.Module): The network.
        stem (Stem): From :func:`find_stem`.
    """
    modules = dict(model.named_modules())
    layers = [modules[name] for name in stem.names]
    layers[0].forward = partial(_run_stem, *layers)
    for layer in layers[1:]:
        layer.forward = partial(_pass_on, layer)


def _pass_on(layer: nn.Module, feature: torch.Tensor) -> torch.Tensor:
    """Return what the stem's convolution has already computed."""
    return feature


def _run_stem(
    conv: nn.Conv2d,
    norm: nn.BatchNorm2d,
    *rest_and_images,
) -> torch.Tensor:
    """Run a stem; with gradients, group by group and recomputed."""
    *rest, images = rest_and_images
    if norm.training and norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)
    trains = torch.is_grad_enabled() and any(
        p.requires_grad for layer in (conv, norm) for p in layer.parameters()
    )
    count = 1
    if trains and not images.requires_grad:
        count = min(MOST_GROUPS, max(1, conv.out_channels // GROUP_CHANNELS))
    edges = [conv.out_channels * i // count for i in range(count + 1)]
    outputs = []
    for begin, end in zip(edges, edges[1:]):
        group = _Group(conv, norm, rest, slice(begin, end))
        if trains:
            outputs.append(checkpoint(group, images, use_reentrant=False))
        else:
            outputs.append(group(images))
    return outputs[0] if count == 1 else torch.cat(outputs, 1)


class _Group:
    """Some channels of a stem.

    Run again, as the backward pass does, it leaves the running statistics
    alone.
    """

    def __init__(self, conv, norm, rest, channels: slice) -> None:
        self._layers = (conv, norm, rest)
        self._channels = channels
        self._ran = False

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        conv, norm, rest = self._layers

        def own(tensor):
            return None if tensor is None else tensor[self._channels]

        feature = conv._conv_forward(images, own(conv.weight), own(conv.bias))
        batch = norm.training or norm.running_mean is None
        statistics = (own(norm.running_mean), own(norm.running_var))
        if self._ran and norm.running_mean is not None:
            # As many tensors, which autograd saves, but not the same ones.
            statistics = tuple(tensor.clone() for tensor in statistics)
        self._ran = True
        momentum = norm.momentum
        if momentum is None:  # a cumulative mean
            counts = norm.training and norm.num_batches_tracked is not None
            momentum = 1 / float(norm.num_batches_tracked) if counts else 0.0
        feature = F.batch_norm(
            feature,
            *statistics,
            own(norm.weight),
            own(norm.bias),
            batch,
            momentum,
            norm.eps,
        )
        for layer in rest:
            feature = type(layer).forward(layer, feature)
        return feature


def check_stem(
    model: nn.Module, stem: Optional[Stem], used: Sequence[str]
) -> None:
    """Raise if a network's stem can't be recomputed.

    Args:
        model (nn.Module): The network.
        stem (Stem, optional): What :func:`find_stem` found.
        used (Sequence[str]): The modules whose outputs are recorded, or that
            a boundary lies behind.

    Raises:
        SettingError: If there is none, it isn't trained, or one of its inner
            layers is used.
    """
    if stem is None:
        raise SettingError(
            f"recompute has 'stem', but {type(model).__name__} doesn't begin "
            f'with an nn.Conv2d followed by an nn.BatchNorm2d, both run once; '
            f"write recompute=['blocks'], or leave it out."
        )
    conv = dict(model.named_modules())[stem.conv]
    if not any(p.requires_grad for p in conv.parameters()):
        raise SettingError(
            f"recompute has 'stem', but '{stem.conv}' is frozen and keeps "
            f"nothing for a backward pass; leave 'stem' out."
        )
    for name in used:
        if name in stem.names[:-1]:
            raise SettingError(
                f"recompute has 'stem', whose inner layers have no outputs of "
                f"their own, but '{name}' is recorded or cut behind; name "
                f"'{stem.names[-1]}', or leave 'stem' out."
            )
