"""Check that the network has what the recorders name."""

from typing import List

from mmrazor.models.distillers import ConfigurableDistiller
from mmrazor.models.task_modules import (
    ModuleOutputsRecorder,
    ParameterRecorder,
    RecorderManager,
)
from torch import nn

from ..errors import SettingError, nearest


def recorded_modules(manager: RecorderManager) -> List[str]:
    """List the modules that a forward pass must run to fill the recorders.

    Returns:
        list[str]: Their names; empty if a recorder takes something else, such
        as the result of a function, or the whole model's input.
    """
    names = []
    for recorder in manager.recorders.values():
        if isinstance(recorder, ParameterRecorder):
            continue
        if not isinstance(recorder, ModuleOutputsRecorder):
            return []
        names.append(recorder.source)
    return names


def check_recorders(
    distiller: ConfigurableDistiller, model: nn.Module, role: str
) -> None:
    """Raise if a recorder's module or parameter doesn't exist.

    MMRazor raises too, but doesn't say for which network.

    Args:
        distiller (ConfigurableDistiller): Any of MMRazor's or ours.
        model (nn.Module): The recorded network.
        role (str): ``'student'`` or ``'teacher'``.

    Raises:
        SettingError: If a name is not in the network.
    """
    manager = getattr(distiller, f'{role}_recorders', None)
    for name, recorder in manager.recorders.items() if manager else ():
        if isinstance(recorder, ModuleOutputsRecorder):  # of inputs as well
            what, known = 'module', dict(model.named_modules())
        elif isinstance(recorder, ParameterRecorder):
            what, known = 'parameter', dict(model.named_parameters())
        else:
            continue
        if recorder.source not in known:
            near = nearest(str(recorder.source), known, count=5)
            raise SettingError(
                f"{role}_recorders: '{name}' records the {what} "
                f"'{recorder.source}', which the {role} doesn't have; the "
                f'nearest names are: {near}.'
            )
