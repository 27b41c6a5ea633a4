"""The records of MMRazor's recorders."""

import logging
import weakref
from contextlib import contextmanager
from typing import Dict, Iterator, List, Set, Tuple

import torch
from mmengine.logging import print_log
from mmrazor.models.distillers import ConfigurableDistiller
from mmrazor.models.task_modules import RecorderManager

from ..errors import SettingError


def release_records(distiller: ConfigurableDistiller) -> None:
    """Release what the recorders recorded in a step.

    MMRazor keeps it until the next step, through backward and update.
    """
    for manager in (distiller.teacher_recorders, distiller.student_recorders):
        for recorder in manager.recorders.values():
            recorder.reset_data_buffer()


def make_contiguous(manager: RecorderManager) -> None:
    """Make the recorded maps contiguous as (N, C, H, W), one by one.

    A map that several recorders hold stays one map.
    """
    # By id, which is unique, since all records are alive here.
    laid: Dict[int, torch.Tensor] = {}
    for recorder in manager.recorders.values():
        buffer = recorder.data_buffer
        for index, record in enumerate(buffer):
            if isinstance(record, torch.Tensor):
                if id(record) not in laid:
                    laid[id(record)] = record.contiguous()
                buffer[index] = laid[id(record)]


def tensors_in(record) -> List[torch.Tensor]:
    """Collect the tensors in a record, or the record if it is a tensor."""
    if isinstance(record, torch.Tensor):
        return [record]
    if isinstance(record, dict):
        record = list(record.values())
    if isinstance(record, (list, tuple)):
        return [tensor for item in record for tensor in tensors_in(item)]
    return []


def storage_of(tensor: torch.Tensor):
    """Return a tensor's storage, in PyTorch 1.13 as well."""
    if hasattr(tensor, 'untyped_storage'):
        return tensor.untyped_storage()
    return tensor.storage()


def records_in(manager: RecorderManager) -> Set[int]:
    """Return the ids of all records."""
    return {
        id(record)
        for recorder in manager.recorders.values()
        for record in recorder.data_buffer
    }


def has_graph(record) -> bool:
    """Check whether a record is, or holds, a tensor with a graph."""
    return any(tensor.grad_fn is not None for tensor in tensors_in(record))


class RecordWatch:
    """Watch for new records whose graph a loss will need."""

    def __init__(self) -> None:
        self._known: Set[int] = set()

    def sees_new(self, manager: RecorderManager) -> bool:
        """Check for such records since the last call."""
        known = self._known
        self._known = {
            id(record)
            for recorder in manager.recorders.values()
            for record in recorder.data_buffer
            if has_graph(record)
        }
        return not self._known <= known


class _WatchedBuffer(list):
    """A list of records that notes the version of each recorded tensor.

    The versions are kept by weak references, which keep no tensor alive.
    """

    def __init__(self) -> None:
        super().__init__()
        self._versions: List[Tuple[weakref.ref, int]] = []

    def append(self, record) -> None:
        """Append a record."""
        super().append(record)
        self._versions += [
            (weakref.ref(tensor), tensor._version)
            for tensor in tensors_in(record)
            if not tensor.is_inference()
        ]

    def changed(self) -> bool:
        """Check whether a tensor has been overwritten since."""
        alive = ((tensor(), version) for tensor, version in self._versions)
        return any(
            tensor is not None and tensor._version != version
            for tensor, version in alive
        )


def check_counts_of_records(distiller: ConfigurableDistiller) -> None:
    """Check that a loss gets the record that is meant.

    It is no error, but logged, that a loss gets the first of several records
    without saying so: MMRazor's default is the first, and a module that a
    block runs twice may be recorded for that.

    Args:
        distiller (ConfigurableDistiller): Any of MMRazor's or ours, after
            both networks' forward passes.

    Raises:
        SettingError: If the student's loss doesn't run a recorded module.
    """
    for loss, mapping in distiller.loss_forward_mappings.items():
        for argument, entry in mapping.items():
            role = 'student' if entry['from_student'] else 'teacher'
            manager = getattr(distiller, f'{role}_recorders')
            names = entry['recorder']
            for name in [names] if isinstance(names, str) else names:
                recorder = manager.get_recorder(name)
                count = len(recorder.data_buffer)
                if entry['from_student'] and count == 0:
                    raise SettingError(
                        f"loss_forward_mappings: '{argument}' of {loss} takes "
                        f"the output or input of the student's "
                        f"'{recorder.source}', but its loss doesn't run that "
                        f'module; record one that it runs, or take a loss '
                        f"without '{argument}' (KD needs no labels)."
                    )
                if count > 1 and 'record_idx' not in entry:
                    print_log(
                        f"loss_forward_mappings: '{argument}' of {loss} takes "
                        f"the first record of the {role}'s "
                        f"'{recorder.source}', which runs {count} times in a "
                        f'step (as a neck does over several maps of a '
                        f'backbone); write record_idx=0 if that is meant, '
                        f'or record_idx={count - 1} for the last one.',
                        logger='current',
                        level=logging.WARNING,
                    )


@contextmanager
def recording(manager: RecorderManager) -> Iterator[None]:
    """Record what runs inside, and note the version of each tensor."""
    with manager:
        for recorder in manager.recorders.values():
            if not recorder.data_buffer:  # a parameter is recorded already
                recorder._data_buffer = _WatchedBuffer()
        yield


def check_unchanged(manager: RecorderManager, role: str) -> None:
    """Raise if a record was overwritten before a loss used it.

    Args:
        manager (RecorderManager): Recorders that ran in :func:`recording`.
        role (str): ``'student'`` or ``'teacher'``, for the message.

    Raises:
        SettingError: If one was, naming it.
    """
    for name, recorder in manager.recorders.items():
        buffer = recorder.data_buffer
        if isinstance(buffer, _WatchedBuffer) and buffer.changed():
            raise SettingError(
                f"{role}_recorders: what '{name}' takes of "
                f"'{recorder.source}' is overwritten in place before a loss "
                f'gets it (by an addition such as `out += identity`, or by an '
                f'activation with inplace=True); record a module whose output '
                f'stays, such as the convolution before it or the whole '
                f'block, or write inplace=False there.'
            )
