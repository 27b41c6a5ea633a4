"""Make a frozen teacher's ReLUs in place if their input isn't needed.

A ReLU that writes to new memory costs as much as a small convolution. MMRazor
makes all of them do so, since a recorder may hold the map before one.
"""

from typing import Callable, Dict, Iterable, List, Optional, Set

import torch
from torch import nn

from ...tracing.modules import forward_hooks
from ...tracing.records import tensors_in
from .fold_batch_norm import is_heard

# Those that have an in-place version in PyTorch.
ACTIVATION_TYPES = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.SiLU, nn.Hardswish)


@torch.no_grad()
def find_relus(
    model: nn.Module,
    forward: Callable[[], List[torch.Tensor]],
    candidates: Optional[Iterable[nn.Module]] = None,
) -> List[nn.Module]:
    """Find the activations whose input nothing else is found to need.

    In a real forward pass, their input is neither an input or output of a
    module with a hook, nor the model's own input, nor returned by
    ``forward``.

    Args:
        model (nn.Module): A model in eval mode.
        forward (Callable): Runs the model once, and returns the tensors that
            matter.
        candidates (Iterable[nn.Module], optional): The activations to choose
            from. Defaults to those of :data:`ACTIVATION_TYPES` that are not in
            place.
    """
    if candidates is None:
        candidates = [
            module
            for module in model.modules()
            if type(module) in ACTIVATION_TYPES and not module.inplace
        ]
    candidates = set(candidates)
    needed: List[torch.Tensor] = []
    inputs: Dict[nn.Module, List[torch.Tensor]] = {}

    def note_needed(module, args, output=None):
        needed.extend(tensors_in(args) + tensors_in(output))

    def note_input(module, args):
        inputs.setdefault(module, []).extend(tensors_in(args))

    heard = [m for m in model.modules() if is_heard(m) or m is model]
    after = [(module, note_needed) for module in heard]
    # Before the call: after it, one in place would have changed its input.
    before = after + [(m, note_input) for m in candidates - set(heard)]
    with forward_hooks(after, before):
        needed.extend(forward())
    # All tensors are alive here, so no memory has been reused.
    places: Set[int] = {tensor.data_ptr() for tensor in needed}
    return [
        module
        for module, tensors in inputs.items()
        if not any(tensor.data_ptr() in places for tensor in tensors)
    ]


def set_inplace(relus: List[nn.Module]) -> Callable[[], None]:
    """Make activations overwrite their input.

    Returns:
        Callable: A function that undoes it.
    """
    for relu in relus:
        relu.inplace = True

    def undo() -> None:
        for relu in relus:
            relu.inplace = False

    return undo
