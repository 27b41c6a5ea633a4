"""The state of a training step, and checks of what a cut could break."""

import inspect
import weakref
from typing import (
    Any,
    Dict,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Set,
    Tuple,
)

import torch
from mmrazor.models.task_modules import (
    ModuleInputsRecorder,
    ModuleOutputsRecorder,
    RecorderManager,
)
from mmrazor.models.task_modules.recorder.base_recorder import BaseRecorder
from torch import nn
from torch.utils import checkpoint

from ..errors import SettingError
from ..tracing.records import RecordWatch, records_in, tensors_in
from .early_backward import graph_of


class TakenRecord(NamedTuple):
    """A record of the student that a stock loss uses.

    Attributes:
        loss (str): The loss.
        recorder (BaseRecorder): The recorder.
        whole (Any): What it recorded in one run of its module.
        part (Any): The part of it that the loss uses.
    """

    loss: str
    recorder: BaseRecorder
    whole: Any
    part: Any


class StudentStep:
    """A student's training step, up to the losses of its distillation.

    It holds the state that the boundaries share, and checks for what a cut
    could break.

    Args:
        names (Sequence[str]): The modules followed by a boundary.
        recorders (RecorderManager): The student's.
        first (bool): Whether no step has reached the student's losses yet.

    Attributes:
        losses (dict[str, torch.Tensor]): Losses of the local modules, and
            other values to log.
        pending (int): Number of losses since the last cut.
        image_size (tuple, optional): Height and width of the images; None if
            the student gets none.
    """

    def __init__(
        self, names: Sequence[str], recorders: RecorderManager, first: bool
    ) -> None:
        self.names = names
        self.recorders = recorders
        self.first = first
        self.losses: Dict[str, torch.Tensor] = {}
        self.pending = 0
        self.image_size: Optional[Tuple[int, ...]] = None
        # Detects whether a stock loss needs the module that has just ended.
        self._watch = RecordWatch()
        self._has_grad = torch.is_grad_enabled()
        self._reached: Set[int] = set()
        # The node that produced each cut's map, and what the cuts passed on.
        self._ends: Dict[int, Any] = {}
        self._passed_on: List[weakref.ref] = []
        # What had been recorded at the first cut.
        self._before: Optional[Set[int]] = None

    def begin(self, inputs: Sequence[Any]) -> None:
        """Note what the student's forward pass begins with.

        Args:
            inputs (Sequence): The arguments of the student, images first.
        """
        self._has_grad = torch.is_grad_enabled()
        images = tensors_in(inputs[:1])
        if images:
            self.image_size = tuple(images[0].shape[-2:])

    def log(self, name: str, value: float, device: torch.device) -> None:
        """Log a number along with the losses."""
        self.losses[name] = torch.full((), value, device=device)

    def is_observed(self) -> bool:
        """Check whether a stock loss uses the module that has just ended.

        Must be called once per boundary.
        """
        return self._watch.sees_new(self.recorders)

    def arrive(self, index: int, module: nn.Module) -> None:
        """Note that a boundary is reached.

        Args:
            index (int): Its index.
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
        if index in self._reached or (self.first and _in_checkpoint()):
            raise SettingError(
                f"local_modules[{index}]: the student's '{self.names[index]}' "
                f'runs twice in a training step (its loss runs the backbone '
                f'twice, or its own code calls torch.utils.checkpoint around '
                f'it); name a module that runs once.'
            )
        self._reached.add(index)

    def note_cut(self, index: int, output: torch.Tensor) -> None:
        """Note a cut, before it is made.

        Args:
            index (int): Index of the boundary.
            output (torch.Tensor): The map, with its graph.
        """
        if self.first:
            # Not the tensor itself, so that its memory can be released.
            self._ends[index] = output.grad_fn
        if self._before is None:
            self._before = records_in(self.recorders)

    def note_map(self, output: torch.Tensor) -> None:
        """Note the map that a cut passes on."""
        self._passed_on.append(weakref.ref(output))

    def check_reached(self) -> None:
        """Raise if the forward pass did not reach a boundary.

        Raises:
            SettingError: If there is such a boundary.
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
        """Raise if one of the student's losses goes around a cut.

        Heads that run only in training have such losses; the dry run doesn't
        show them.

        Args:
            losses (dict): The student's own losses, tensors or lists of them.

        Raises:
            SettingError: If a loss depends on what precedes a cut other than
                through the map at the cut.
        """
        # Keep the nodes: PyTorch reuses their objects only while alive.
        before = {index: graph_of(end)[0] for index, end in self._ends.items()}
        for name, value in losses.items():
            if 'loss' not in name:  # MMEngine only logs it
                continue
            for tensor in tensors_in(value):
                nodes, _ = graph_of(tensor.grad_fn)
                for index, passed in before.items():
                    if not all(map(_casts_a_leaf, nodes & passed)):
                        raise SettingError(
                            f"local_modules[{index}]: the student's own loss "
                            f"'{name}' takes a map from before the cut "
                            f"behind '{self.names[index]}', around which "
                            f'its gradient would go; write isolate=False '
                            f'there, or choose a boundary before that map.'
                        )
        self.first = False

    def check_records(self, records: Sequence[TakenRecord]) -> None:
        """Raise if a cut separates a stock loss's map from all weights.

        Args:
            records (Sequence[TakenRecord]): What the stock losses use.

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
        """Check whether a record is a map that no weight has influenced."""
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
        # Soft labels and images come from the data: labels go to a loss along
        # with scores, and images to a module that contains the cut.
        beside = any(
            tensor.requires_grad for tensor in tensors_in(record.whole)
        )
        around = any(
            not recorder.source or name.startswith(f'{recorder.source}.')
            for name in self.names
        )
        return bool(bare) and not (beside or around)


def _in_checkpoint() -> bool:
    """Check whether the caller runs inside ``torch.utils.checkpoint``."""
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_code.co_filename == checkpoint.__file__:
            return True
        frame = frame.f_back
    return False


def _casts_a_leaf(node: Any) -> bool:
    """Check whether a node only changes a parameter's type.

    Autocast does that once for all modules that share it.
    """
    return node.name() == 'ToCopyBackward0' and all(
        hasattr(source, 'variable') for source, _ in node.next_functions
    )
