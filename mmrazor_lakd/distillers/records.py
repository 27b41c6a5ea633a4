"""What MMRazor's recorders hold."""

import torch
from mmrazor.models.distillers import ConfigurableDistiller


def release_records(distiller: ConfigurableDistiller) -> None:
    """Let go of what the recorders took in a step.

    MMRazor's hold it until the next step, through backward and update.
    """
    for manager in (distiller.teacher_recorders, distiller.student_recorders):
        for recorder in manager.recorders.values():
            recorder.reset_data_buffer()


def has_graph(record) -> bool:
    """Tell whether a record is, or holds, a tensor with a graph."""
    if isinstance(record, torch.Tensor):
        return record.grad_fn is not None
    if isinstance(record, dict):
        record = record.values()
    elif not isinstance(record, (list, tuple)):
        return False
    return any(has_graph(item) for item in record)
