"""What MMRazor's recorders hold."""

from typing import Dict, List, Set

import torch
from mmrazor.models.distillers import ConfigurableDistiller
from mmrazor.models.task_modules import RecorderManager


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
