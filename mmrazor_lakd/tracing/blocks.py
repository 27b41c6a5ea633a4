"""The blocks of a network, and whether it can be cut after them."""

from typing import Dict, List, NamedTuple, Sequence, Set, Tuple, Union

import torch
from mmcv.cnn import is_norm
from torch import nn
from torch.nn.modules.conv import _ConvNd

from .autograd_graph import GraphRun, graph_run
from .records import tensors_in
from .token_maps import as_map, map_tensor, why_no_map

# The layers that a block has, by the kind of its output.
MAP_LAYERS: Tuple[type, ...] = (_ConvNd,)
TOKEN_LAYERS = (_ConvNd, nn.Linear)


class Block(NamedTuple):
    """A block of a network and its output map.

    Attributes:
        name (str): Its name in ``model.named_modules()``.
        shape (torch.Size): Shape (C, H, W) of its map.
        num_bytes (int): Bytes of its map for one image, with class tokens.
        scale (float): Area of the image divided by that of the map.
        can_cut (bool): Whether a boundary can follow it: the rest of the
            network depends on what precedes only through this map, and has
            a convolution, or a linear layer after tokens.
    """

    name: str
    shape: torch.Size
    num_bytes: int
    scale: float
    can_cut: bool


def find_blocks(
    model: nn.Module,
    role: str,
    input_size: Union[int, Sequence[int], None] = None,
) -> List[Block]:
    """Find the blocks of a network, in execution order.

    A block is an item of an ``nn.Sequential`` or ``nn.ModuleList`` of the
    backbone that has a convolution, or a linear layer if it outputs tokens,
    runs once and outputs one map. If the items are such lists themselves
    (stages), their items are the blocks, as are those of the ``blocks`` of a
    transformer's stage; a nested list with nothing but layers (convolution,
    norm, activation) is one block, and so is a list of one convolution and
    what follows it. A convolution beside its norm and activation ends with
    the last of these.
    If a backbone has no lists, or can't be cut behind any of their items, its
    children are the blocks, with those of an ``nn.ModuleDict``.

    Source: ours.

    Args:
        model (nn.Module): A model of MMEngine (``mode='tensor'``).
        role (str): ``'student'`` or ``'teacher'``, for the messages.
        input_size (int | tuple, optional): As in :func:`dry_run`.

    Raises:
        SettingError: If the model doesn't take the image.
    """
    run = graph_run(model, role, input_size)
    return blocks_of(model, run)


def blocks_of(model: nn.Module, run: GraphRun) -> List[Block]:
    """Return the blocks of a model whose graph has been recorded."""
    # Of the backbone only: lists in heads and necks contain no blocks.
    backbone = getattr(model, 'backbone', model)
    modules = dict(model.named_modules())
    with_tokens = {
        modules[name]
        for name, output in run.outputs.items()
        if [tensor.dim() for tensor in tensors_in(output)[:1]] == [3]
    }
    blocks = _blocks_among(_items_of_lists(backbone, with_tokens), model, run)
    if any(block.can_cut for block in blocks):
        return blocks
    # Lists may be parts of a block, whose own network has names for blocks.
    children = set(backbone.children())
    for child in backbone.children():
        if isinstance(child, nn.ModuleDict):
            children |= set(child.values())
    named = _blocks_among(children, model, run)
    return named if any(block.can_cut for block in named) else blocks or named


def _blocks_among(
    candidates: Set[nn.Module], model: nn.Module, run: GraphRun
) -> List[Block]:
    """Return those of some modules that are blocks, in execution order."""
    modules = dict(model.named_modules())
    order = list(run.outputs)
    # The last layer of each kind, as far as it is no part of a head.
    last_layer = {
        kind: max(
            (
                place
                for place, name in enumerate(order)
                if isinstance(modules[name], kind) and not _in_head(name)
            ),
            default=-1,
        )
        for kind in (MAP_LAYERS, TOKEN_LAYERS)
    }
    area = run.image_size[0] * run.image_size[1]
    blocks = []
    for place, first in enumerate(order):
        if modules[first] not in candidates:
            continue
        name = _end_of_layer(order[place:], modules, run)
        tensor = map_tensor(run.outputs[name])
        feature = as_map(run.outputs[name], run.image_size)
        if (
            run.calls[name] != 1
            or name not in run.edges
            or feature is None
            or why_no_map(run.outputs[name], run.image_size)
        ):
            continue
        kind = MAP_LAYERS if tensor.dim() == 4 else TOKEN_LAYERS
        if not any(isinstance(m, kind) for m in modules[first].modules()):
            continue
        # A module without such layers, as the head alone, is not worth
        # training by itself.
        followed = last_layer[kind] > place
        blocks.append(
            Block(
                name=name,
                shape=feature.shape[1:],
                num_bytes=tensor[0].numel() * tensor.element_size(),
                scale=area / (feature.shape[-2] * feature.shape[-1]),
                can_cut=followed and not run.bypasses(name),
            )
        )
    return blocks


def _end_of_layer(
    names: Sequence[str], modules: Dict[str, nn.Module], run: GraphRun
) -> str:
    """Return where a module ends that may be a layer without its norm.

    In a flat list, or a network without lists, a convolution's norm and
    activation are modules beside it. Between them is no end of a block.

    Args:
        names (Sequence[str]): The module, and those that run after it.
        modules (dict[str, nn.Module]): All modules by name.
        run (GraphRun): Of the network.
    """
    last, *following = names
    if not isinstance(modules[last], TOKEN_LAYERS):
        return last
    parent = last.rpartition('.')[0]
    size = map_tensor(run.outputs[last])
    for name in following:
        module = modules[name]
        output = map_tensor(run.outputs[name])
        if (
            name.rpartition('.')[0] != parent
            or list(module.children())
            or (list(module.parameters()) and not is_norm(module))
            or size is None
            or output is None
            or output.shape != size.shape
            or run.calls[name] != 1
            or run.bypasses(name)
        ):
            break
        last = name
    return last


def _items_of_lists(
    module: nn.Module, with_tokens: Set[nn.Module]
) -> Set[nn.Module]:
    """Collect the items of the outermost lists of blocks in a module."""
    in_list = isinstance(module, (nn.Sequential, nn.ModuleList))
    items: Set[nn.Module] = set()
    for child in module.children():
        is_stage = in_list and _is_stage(child, child in with_tokens)
        if (in_list and not is_stage) or _is_one_layer(child):
            items.add(child)
        else:
            items |= _items_of_lists(child, with_tokens)
    return items


def _is_one_layer(child: nn.Module) -> bool:
    """Check whether a list is a convolution and what follows it, as a stem.

    Between it and its norm is no end of a block.
    """
    layers = list(child.children())
    return (
        isinstance(child, nn.Sequential)
        and sum(isinstance(layer, MAP_LAYERS) for layer in layers) == 1
        and not any(list(layer.children()) for layer in layers)
    )


def _is_stage(item: nn.Module, gives_tokens: bool) -> bool:
    """Check whether an item of a list is, or has, a list of blocks."""
    if isinstance(item, nn.Sequential):
        return any(list(layer.children()) for layer in item)
    # In a convolutional stage, information may pass around its blocks.
    blocks = getattr(item, 'blocks', item) if gives_tokens else item
    return isinstance(blocks, (nn.ModuleList, nn.Sequential))


def _in_head(name: str) -> bool:
    return name.split('.')[0].endswith('head')
