"""Compute a loss's gradients at once, and deliver them later.

Calling ``backward()`` during the forward pass would free a module's graph
just as well. But DistributedDataParallel would not average its gradients,
gradient accumulation would not scale them, and a loss scaler would not know
of them. Here, the gradients wait in the graph of the returned loss until its
own ``backward()``, and reach the parameters like any others.
"""

from typing import Any, Dict, Optional, Sequence, Set, Tuple

import torch
from mmengine.runner.amp import autocast
from torch.autograd.function import once_differentiable

from ..errors import SettingError

# Parameters that hold only part of their values, or none, outside the
# wrapper's own backward pass: by the name of their class, or an attribute.
SHARDED_CLASSES = ('FlatParameter', 'DTensor')
SHARDED_ATTRIBUTES = ('_is_flat_param', 'ds_id')  # FSDP, DeepSpeed ZeRO-3
# Factor of the first step in float16: large enough to keep the gradients of a
# mean over a map, and small enough not to overflow in a step that a scaler
# would not skip.
START_SCALE = 1024.0


def graph_of(node: Optional[Any]) -> Tuple[Set, Dict]:
    """Collect the nodes and leaves of an autograd graph.

    Args:
        node (Any): The ``grad_fn`` of the tensor at its end.

    Returns:
        tuple[set, dict]: The nodes without the leaves, and the leaf tensors
        by the nodes that accumulate their gradients.
    """
    nodes, leaves = set(), {}
    stack = [node]
    while stack:
        node = stack.pop()
        if node is None or node in nodes or node in leaves:
            continue
        if hasattr(node, 'variable'):
            leaves[node] = node.variable
        else:
            nodes.add(node)
            stack.extend(next_node for next_node, _ in node.next_functions)
    return nodes, leaves


class EarlyBackward:
    """Compute a loss's gradients, free its graph, and return an equal loss.

    The returned loss has the same value, and its ``backward()`` gives the
    same gradients: those computed here, times the gradient of the returned
    loss. Until then, they take as much memory as their parameters.

    In float16, small gradients vanish unless the loss is multiplied by a
    large factor while they are computed. A loss scaler does that for an
    ordinary loss. Here, the factor that arrives with the gradient of the
    returned loss is used in the next step, and is halved if it was too
    large. Overflows are delivered unchanged, so that the scaler skips the
    step and lowers its own factor.
    """

    def __init__(self) -> None:
        self._scale: Optional[torch.Tensor] = None

    def __call__(self, loss: torch.Tensor) -> torch.Tensor:
        """Compute the gradients of a loss.

        Args:
            loss (torch.Tensor): A scalar with a graph that nothing else uses.

        Raises:
            SettingError: If the gradients would be wrong: a parameter is
                sharded or has a hook on its gradient, or activations are
                checkpointed with ``use_reentrant=True``.
        """
        nodes, found = graph_of(loss.grad_fn)
        leaves: Sequence[torch.Tensor] = list(found.values())
        _check_graph(nodes, leaves)
        scale = None
        if _is_float16(loss.device):
            scale = self._scale
            if scale is None:
                scale = torch.full_like(loss, START_SCALE)
            loss = loss * scale
        # The graph already has its precisions; backward needs no autocast.
        with autocast(enabled=False):
            grads = torch.autograd.grad(loss, leaves, allow_unused=True)
        grads, leaves = zip(
            *((g, leaf) for g, leaf in zip(grads, leaves) if g is not None)
        )
        value = loss.detach()
        if scale is None:
            return _Deliver.apply(value, len(grads), *grads, *leaves)
        grads = [grad / scale for grad in grads]
        finite = torch.stack([grad.isfinite().all() for grad in grads]).all()
        delivered = _Deliver.apply(value / scale, len(grads), *grads, *leaves)
        delivered.register_hook(
            lambda factor: self._note_scale(factor, finite)
        )
        return delivered

    def _note_scale(self, factor: torch.Tensor, finite: torch.Tensor) -> None:
        """Keep the loss scaler's factor, or half of it after an overflow."""
        self._scale = torch.where(finite, factor, factor / 2).detach()


def _check_graph(nodes: Set, leaves: Sequence[torch.Tensor]) -> None:
    """Raise if the gradients can't be computed early."""
    way_out = 'set early_backward=False of LAKDDistiller.'
    if any('CheckpointFunction' in type(node).__name__ for node in nodes):
        raise SettingError(
            f'The student calls torch.utils.checkpoint with '
            f'use_reentrant=True, which hides its parameters from the early '
            f'backward; call it with use_reentrant=False, or {way_out}'
        )
    for leaf in leaves:
        if type(leaf).__name__ in SHARDED_CLASSES or any(
            hasattr(leaf, name) for name in SHARDED_ATTRIBUTES
        ):
            raise SettingError(
                f"The student's parameters are sharded (by FSDP, ZeRO-3 or "
                f'tensor parallelism), but the early backward needs whole '
                f'ones; train with DistributedDataParallel, or {way_out}'
            )
        if leaf._backward_hooks:
            raise SettingError(
                f'A parameter of shape {tuple(leaf.shape)} has a hook on its '
                f'gradient (Tensor.register_hook), which the early backward '
                f'would call twice; remove the hook, or {way_out}'
            )


class _Deliver(torch.autograd.Function):
    """A value whose backward delivers precomputed gradients."""

    @staticmethod
    def forward(ctx, value, count, *grads_and_leaves):
        ctx.save_for_backward(*grads_and_leaves[:count])
        return value.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output):
        grads = ctx.saved_tensors
        # In the precision of the gradient: a scaler's factor is float32.
        return (
            None,
            None,
            *(None for _ in grads),
            *(grad * grad_output.to(grad.dtype) for grad in grads),
        )


def _is_float16(device: torch.device) -> bool:
    """Check whether autocast computes in float16."""
    if hasattr(torch, 'get_autocast_dtype'):  # torch >= 2.4
        enabled = torch.is_autocast_enabled(device.type)
        dtype = torch.get_autocast_dtype(device.type)
    elif device.type == 'cpu':
        enabled = torch.is_autocast_cpu_enabled()
        dtype = torch.get_autocast_cpu_dtype()
    else:
        enabled = torch.is_autocast_enabled()
        dtype = torch.get_autocast_gpu_dtype()
    return enabled and dtype == torch.float16
