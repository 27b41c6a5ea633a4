"""Norms of the gradients of a model's parts at the moment of the update."""

import functools
from typing import Callable, List, Optional, Sequence, Union

import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import nn

from ..tracing.autograd_graph import graph_run


def group_parameters(
    model: nn.Module,
    boundaries: Sequence[str],
    input_size: Optional[Sequence[int]] = None,
) -> List[List[nn.Parameter]]:
    """Group a model's parameters by the boundaries that they precede.

    Args:
        model (nn.Module): A model of MMEngine (``mode='tensor'``).
        boundaries (Sequence[str]): Modules, in the order in which they run.
        input_size (Sequence[int], optional): Height and width of the images.

    Returns:
        list[list[nn.Parameter]]: One more than the boundaries. Parameters of
        modules that run after the last boundary, or don't run, come last;
        those of a module that contains a boundary, such as a position
        embedding, come first.
    """
    order = list(graph_run(model, 'student', input_size).outputs)
    places = [order.index(name) for name in boundaries]
    groups: List[List[nn.Parameter]] = [[] for _ in range(len(places) + 1)]
    for name, parameter in model.named_parameters():
        owner = name.rpartition('.')[0]
        place = order.index(owner) if owner in order else len(order)
        if any(end.startswith(f'{owner}.') for end in boundaries):
            # The owner ends after the boundaries in it, but its own
            # parameters, such as a position embedding, act before them.
            place = -1
        groups[sum(end < place for end in places)].append(parameter)
    return groups


class ModuleGradients:
    """Records the norms on request only.

    Gradients exist only between the backward pass and the optimizer's step,
    where MMEngine calls no hook. So the optimizer's ``step`` is wrapped in a
    function that reads them first.

    Args:
        groups (Sequence): The parameters of each module.
        optim_wrapper (OptimWrapper | OptimWrapperDict): Of the Runner.
    """

    def __init__(
        self,
        groups: Sequence[Sequence[nn.Parameter]],
        optim_wrapper: Union[OptimWrapper, OptimWrapperDict],
    ) -> None:
        self.groups = groups
        self.wanted = False
        self._norms: Optional[List[float]] = None
        wrappers = [optim_wrapper]
        if isinstance(optim_wrapper, OptimWrapperDict):
            wrappers = list(optim_wrapper.values())
        self._undo = [self._listen(w.optimizer) for w in wrappers]

    def take(self) -> Optional[List[float]]:
        """Return the norms recorded since the last call, if any."""
        norms, self._norms = self._norms, None
        return norms

    def stop(self) -> None:
        """Restore the optimizer."""
        for undo in self._undo:
            undo()
        self._undo = []

    def _listen(self, optimizer) -> Callable[[], None]:
        """Read the gradients before each step."""
        step = optimizer.step

        # PyTorch and MMEngine inspect the step's signature and attributes.
        @functools.wraps(step)
        def look_and_step(*args, **kwargs):
            # A fused optimizer gets the loss scaler's factor, and divides by
            # it itself; it skips a step whose gradients overflowed.
            if self.wanted and not getattr(optimizer, 'found_inf', None):
                self._note(getattr(optimizer, 'grad_scale', None) or 1)
            return step(*args, **kwargs)

        optimizer.step = look_and_step

        def undo() -> None:
            # Something else may have wrapped it since.
            if optimizer.step is look_and_step:
                optimizer.step = step

        return undo

    @torch.no_grad()
    def _note(self, scale: Union[torch.Tensor, float]) -> None:
        """Compute the norm of each group; 0 where it has no gradient.

        Args:
            scale (torch.Tensor | float): Factor by which the gradients are too
                large.
        """
        self.wanted = False
        self._norms = []
        for group in self.groups:
            norms = [p.grad.norm() for p in group if p.grad is not None]
            total = torch.stack(norms).norm().item() if norms else 0.0
            self._norms.append(total / float(scale))
