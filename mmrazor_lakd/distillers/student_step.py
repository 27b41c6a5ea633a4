"""The state of a training step, and what cuts would make wrong in it."""

import weakref
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Set

import torch
from mmrazor.models.task_modules import (
    ModuleInputsRecorder,
    ModuleOutputsRecorder,
    RecorderManager,
)
from mmrazor.models.task_modules.recorder.base_recorder import BaseRecorder
from torch import nn

from ..errors import SettingError
from ..tracing.records import RecordWatch, records_in, tensors_in
from .early_backward import graph_of


class TakenRecord(NamedTuple):
    """What a stock loss takes of the student.

    Attributes:
        loss (str): The loss.
        recorder (BaseRecorder): The recorder.
        whole (Any): What that one took in one run of its module.
        part (Any): What of it the loss takes.
    """

    loss: str
    recorder: BaseRecorder
    whole: Any
    part: Any


class StudentStep:
    """A student's training step, up to the losses of its distillation.

    It holds what the boundaries leave for each other and for the end, and
    watches for what cuts would make wrong.

    Args:
        names (Sequence[str]): The modules after which boundaries lie.
        recorders (RecorderManager): The student's.
        first (bool): Whether no step has come to the student's losses yet.

    Attributes:
        losses (dict[str, torch.Tensor]): Of the local modules, and what is
            logged beside them.
        pending (int): How many losses wait for a cut.
    """

    def __init__(
        self, names: Sequence[str], recorders: RecorderManager, first: bool
    ) -> None:
        self.names = names
        self.recorders = recorders
        self.first = first
        self.losses: Dict[str, torch.Tensor] = {}
        self.pending = 0
        # Tells whether a stock loss will need the module that now ends.
        self._watch = RecordWatch()
        self._has_grad = torch.is_grad_enabled()
        self._reached: Set[int] = set()
        # The nodes that made each cut's map, and what the cuts passed on.
        self._ends: Dict[int, Any] = {}
        self._passed_on: List[weakref.ref] = []
        # What had been recorded at the first cut.
        self._before: Optional[Set[int]] = None

    def begin(self) -> None:
        """Note how the student's forward pass begins."""
        self._has_grad = torch.is_grad_enabled()

    def log(self, name: str, value: float, device: torch.device) -> None:
        """Log a number beside the losses."""
        self.losses[name] = torch.full((), value, device=device)

    def is_observed(self) -> bool:
        """Tell whether a stock loss takes something of the module that ends.

        To be asked once a boundary.
        """
        return self._watch.sees_new(self.recorders)

    def arrive(self, index: int, module: nn.Module) -> None:
        """Note a boundary.

        Args:
            index (int): Which one it is.
            module (nn.Module): The module before it.

        Raises:
            SettingError: If the module runs in a way that can't be taught.
        """
        if getattr(module, '_is_replica', False):
            raise SettingError(
                'LAKDDistiller cannot be trained under DataParallel, whose '
                'replicas share its state; start one process a device '
                '(tools/dist_train.sh).'
            )
        if self._has_grad and not torch.is_grad_enabled():
            raise SettingError(
                f"local_modules[{index}]: the student's '{self.names[index]}' "
                f'runs without gradients, as in what calls '
                f'torch.utils.checkpoint with use_reentrant=True, so that '
                f'nothing would train it; call that with use_reentrant=False, '
                f'around blocks alone.'
            )
        self._reached.add(index)

    def note_cut(self, index: int, output: torch.Tensor) -> None:
        """Note a cut, before it is made.

        Args:
            index (int): Which boundary it is.
            output (torch.Tensor): The map, with its graph.
        """
        if self.first:
            # Without the tensor, whose memory may be released.
            self._ends[index] = output.grad_fn
        if self._before is None:
            self._before = records_in(self.recorders)

    def note_map(self, output: torch.Tensor) -> None:
        """Note the map that a cut passes on."""
        self._passed_on.append(weakref.ref(output))

    def check_reached(self) -> None:
        """Refuse to train on where a boundary was not met.

        Raises:
            SettingError: If there is such a one.
        """
        for index, name in enumerate(self.names):
            if index not in self._reached:
                raise SettingError(
                    f"local_modules[{index}]: the student's forward pass did "
                    f"not run '{name}' in this training step (a layer that "
                    f'is skipped at random, or that sync_bn has replaced); '
                    f'choose a module that it always runs.'
                )

    def check_losses(self, losses: Dict[str, Any]) -> None:
        """Refuse a student's loss that goes around a cut.

        Such are those of heads that run in training only: what a dry run
        has shown of the student doesn't have them.

        Args:
            losses (dict): The student's own losses, tensors or lists of them.

        Raises:
            SettingError: If a loss depends on what is before a cut otherwise
                than through the map at the cut.
        """
        # Kept: Python's objects for nodes are the same only while they live.
        before = {index: graph_of(end)[0] for index, end in self._ends.items()}
        for name, value in losses.items():
            if 'loss' not in name:  # MMEngine logs it and no more
                continue
            for tensor in tensors_in(value):
                nodes, _ = graph_of(tensor.grad_fn)
                for index, passed in before.items():
                    if nodes & passed:
                        raise SettingError(
                            f"local_modules[{index}]: the student's own loss "
                            f"'{name}' takes a map from before the cut "
                            f"behind '{self.names[index]}', around which "
                            f'its gradient would go; write isolate=False '
                            f'there, or choose a boundary before that map.'
                        )
        self.first = False

    def check_records(self, records: Sequence[TakenRecord]) -> None:
        """Refuse a stock loss whose map a cut has parted from all weights.

        Args:
            records (Sequence[TakenRecord]): What the stock losses take.

        Raises:
            SettingError: If nothing can learn from a record.
        """
        for record in records:
            if self._is_cut_off(record):
                source = record.recorder.source
                raise SettingError(
                    f"distill_losses: '{record.loss}' looks at '{source}' "
                    f'behind a cut and before any weight that could learn '
                    f'from it; record the module at the cut itself, or write '
                    f'isolate=False there.'
                )

    def _is_cut_off(self, record: TakenRecord) -> bool:
        """Tell whether a record is a map that no weight has made."""
        recorder = record.recorder
        if self._before is None or id(record.whole) in self._before:
            return False
        if not isinstance(recorder, ModuleOutputsRecorder):
            return False
        bare = [
            tensor
            for tensor in tensors_in(record.part)
            if tensor.is_floating_point() and not tensor.requires_grad
        ]
        if not isinstance(recorder, ModuleInputsRecorder):
            return bool(bare)
        maps = [reference() for reference in self._passed_on]
        if any(tensor is given for tensor in bare for given in maps):
            return True
        # Soft labels and images come from the data: labels go to a loss
        # beside scores, and images to a module around the cut.
        beside = any(
            tensor.requires_grad for tensor in tensors_in(record.whole)
        )
        around = any(
            not recorder.source or name.startswith(f'{recorder.source}.')
            for name in self.names
        )
        return bool(bare) and not (beside or around)
