"""What MMRazor's recorders hold."""

import weakref
from contextlib import contextmanager
from typing import Dict, Iterator, List, Set, Tuple

import torch
from mmrazor.models.distillers import ConfigurableDistiller
from mmrazor.models.task_modules import RecorderManager

from ..errors import SettingError


def release_records(distiller: ConfigurableDistiller) -> None:
    """Let go of what the recorders took in a step.

    MMRazor's hold it until the next step, through backward and update.
    """
    for manager in (distiller.teacher_recorders, distiller.student_recorders):
        for recorder in manager.recorders.values():
            recorder.reset_data_buffer()


def make_contiguous(manager: RecorderManager) -> None:
    """Lay the maps that were taken out as (N, C, H, W), one by one.

    A map that several recorders hold stays one map.
    """
    # By id: all records are alive here, so that none stands for two.
    laid: Dict[int, torch.Tensor] = {}
    for recorder in manager.recorders.values():
        buffer = recorder.data_buffer
        for index, record in enumerate(buffer):
            if isinstance(record, torch.Tensor):
                if id(record) not in laid:
                    laid[id(record)] = record.contiguous()
                buffer[index] = laid[id(record)]


def tensors_in(record) -> List[torch.Tensor]:
    """Collect the tensors in a record: itself, or those that it holds."""
    if isinstance(record, torch.Tensor):
        return [record]
    if isinstance(record, dict):
        record = list(record.values())
    if isinstance(record, (list, tuple)):
        return [tensor for item in record for tensor in tensors_in(item)]
    return []


def records_in(manager: RecorderManager) -> Set[int]:
    """Tell which records there are, by the ids of what was taken."""
    return {
        id(record)
        for recorder in manager.recorders.values()
        for record in recorder.data_buffer
    }


def has_graph(record) -> bool:
    """Tell whether a record is, or holds, a tensor with a graph."""
    return any(tensor.grad_fn is not None for tensor in tensors_in(record))


class RecordWatch:
    """Notices records with a graph, which somebody will want to go through."""

    def __init__(self) -> None:
        self._known: Set[int] = set()

    def sees_new(self, manager: RecorderManager) -> bool:
        """Tell whether there are records that weren't there last time."""
        known = self._known
        self._known = {
            id(record)
            for recorder in manager.recorders.values()
            for record in recorder.data_buffer
            if has_graph(record)
        }
        return not self._known <= known


class _WatchedBuffer(list):
    """Notes which version of each tensor was recorded.

    It holds on to no tensor: whoever takes a record out lets go of it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._versions: List[Tuple[weakref.ref, int]] = []

    def append(self, record) -> None:
        """Take a record."""
        super().append(record)
        self._versions += [
            (weakref.ref(tensor), tensor._version)
            for tensor in tensors_in(record)
            if not tensor.is_inference()
        ]

    def changed(self) -> bool:
        """Tell whether a tensor has been written to since."""
        alive = ((tensor(), version) for tensor, version in self._versions)
        return any(
            tensor is not None and tensor._version != version
            for tensor, version in alive
        )


@contextmanager
def recording(manager: RecorderManager) -> Iterator[None]:
    """Record what runs inside, and note the versions of what is recorded."""
    with manager:
        for recorder in manager.recorders.values():
            if not recorder.data_buffer:  # a parameter is there already
                recorder._data_buffer = _WatchedBuffer()
        yield


def check_unchanged(manager: RecorderManager, role: str) -> None:
    """Refuse records that were overwritten before a loss took them.

    Args:
        manager (RecorderManager): Of which :func:`recording` was used.
        role (str): ``'student'`` or ``'teacher'``, for the message.

    Raises:
        SettingError: Which record it is.
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
