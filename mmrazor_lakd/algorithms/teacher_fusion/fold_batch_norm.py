"""Fold a frozen teacher's batch normalisation into its convolutions."""

from collections import Counter
from typing import Callable, Dict, List, NamedTuple

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ...tracing.modules import forward_hooks


class Pair(NamedTuple):
    """A convolution and the only batch normalisation that follows it."""

    norm_name: str
    conv: nn.Module
    norm: nn.Module


@torch.no_grad()
def find_pairs(model: nn.Module, forward: Callable[[], object]) -> List[Pair]:
    """Find the batch normalisations that can be folded.

    Pairs are found in a real forward pass, in which the normalisation's input
    is the very tensor that the convolution returned. Modules with hooks are
    left alone, since folding would change what the hooks see.

    Args:
        model (nn.Module): A model in eval mode.
        forward (Callable): Runs the model once.
    """
    names = {module: name for name, module in model.named_modules()}
    made_by: Dict[int, nn.Module] = {}
    kept: List[torch.Tensor] = []  # so that no id is reused
    calls: Counter = Counter()
    fed_by: Dict[nn.Module, nn.Module] = {}

    def after_conv(module, inputs, output):
        calls[module] += 1
        made_by[id(output)] = module
        kept.append(output)

    def before_norm(module, inputs):
        calls[module] += 1
        if id(inputs[0]) in made_by:
            fed_by[module] = made_by[id(inputs[0])]

    free = [module for module in names if not is_heard(module)]
    convs = [m for m in free if type(m) in (nn.Conv1d, nn.Conv2d, nn.Conv3d)]
    norms = [
        m for m in free if isinstance(m, _BatchNorm) and m.track_running_stats
    ]
    with forward_hooks(
        after=[(conv, after_conv) for conv in convs],
        before=[(norm, before_norm) for norm in norms],
    ):
        forward()
    uses = Counter(fed_by.values())
    return [
        Pair(names[norm], conv, norm)
        for norm, conv in fed_by.items()
        if calls[norm] == 1 and calls[conv] == 1 and uses[conv] == 1
    ]


def is_heard(module: nn.Module) -> bool:
    """Check whether a module has hooks."""
    return bool(module._forward_hooks or module._forward_pre_hooks)


@torch.no_grad()
def fold(model: nn.Module, pairs: List[Pair]) -> Callable[[], None]:
    """Fold batch normalisations into their convolutions, in place.

    Args:
        model (nn.Module): The model, in eval mode.
        pairs (list[Pair]): From :func:`find_pairs`.

    Returns:
        Callable: A function that undoes it.
    """
    before = [(pair.conv.weight, pair.conv.bias) for pair in pairs]
    for pair in pairs:
        conv, norm = pair.conv, pair.norm
        # In float64, since errors accumulate over many layers.
        factor = (norm.running_var.double() + norm.eps).rsqrt()
        if norm.weight is not None:
            factor = factor * norm.weight.double()
        shift = 0 if conv.bias is None else conv.bias.double()
        bias = (shift - norm.running_mean.double()) * factor
        if norm.bias is not None:
            bias = bias + norm.bias.double()
        shape = (-1,) + (1,) * (conv.weight.dim() - 1)
        weight = conv.weight.double() * factor.view(shape)
        # empty_like keeps the memory layout, such as channels last.
        folded = torch.empty_like(conv.weight).copy_(weight)
        conv.weight = nn.Parameter(folded, requires_grad=False)
        conv.bias = nn.Parameter(bias.to(folded.dtype), requires_grad=False)
        _replace(model, pair.norm_name, nn.Identity())

    def undo() -> None:
        for pair, (weight, bias) in zip(pairs, before):
            pair.conv.weight, pair.conv.bias = weight, bias
            _replace(model, pair.norm_name, pair.norm)

    return undo


def _replace(model: nn.Module, name: str, module: nn.Module) -> None:
    """Replace a module of a model."""
    parent, _, child = name.rpartition('.')
    setattr(model.get_submodule(parent), child, module)
