"""Builds the networks of a distillation from what a config says of them."""

from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Union

from mmengine.model import BaseModel
from torch import nn

from ..checkpoints.model_configs import merge_preprocessors, read_network
from ..errors import SettingError
from .teacher_ensemble import build_ensemble


class Networks(NamedTuple):
    """Both networks, and what MMRazor changes of the student.

    Attributes:
        student (BaseModel): The student.
        teacher (BaseModel): The teacher, or a :class:`TeacherEnsemble`.
        data_preprocessor (nn.Module | dict | None): That of both.
        in_place (list[nn.Module]): The student's activations that are in
            place in its config. MMRazor switches them off, so that none
            overwrites a recorded map.
    """

    student: BaseModel
    teacher: nn.Module
    data_preprocessor: Union[nn.Module, Dict, None]
    in_place: List[nn.Module]


def build_networks(
    owner: str,
    *,
    architecture: Union[BaseModel, Dict],
    teacher: Union[BaseModel, Dict, Sequence],
    data_preprocessor: Union[nn.Module, Dict, None],
    teacher_ckpt: Union[str, Sequence[Optional[str]], None],
    teacher_weights: Optional[Sequence[float]],
    teacher_mode: str,
    distiller: Any,
) -> Networks:
    """Build a student and its teacher or teachers.

    Args:
        owner (str): The algorithm, for the messages.
        architecture (BaseModel | dict): See :class:`FrozenTeacherDistill`, as
            for the others.
        teacher (BaseModel | dict | list): One or several.
        data_preprocessor (nn.Module | dict, optional): Of both.
        teacher_ckpt (str | list, optional): One or several.
        teacher_weights (list[float], optional): Those of several teachers.
        teacher_mode (str): ``'tensor'`` or ``'loss'``.
        distiller (Any): The distiller, or its config.

    Raises:
        SettingError: If a setting of the networks' configs would have no
            effect, or what is said of several teachers doesn't fit their
            number.
    """
    student_cfg = read_network(architecture, 'architecture')
    several = isinstance(teacher, (list, tuple))
    teacher_cfgs = [
        read_network(one, 'teacher')
        for one in (teacher if several else [teacher])
    ]
    for config in teacher_cfgs:
        data_preprocessor = merge_preprocessors(
            data_preprocessor, student_cfg.model, config.model
        )
    student = student_cfg.build()
    if isinstance(data_preprocessor, dict):
        own = type(getattr(student, 'data_preprocessor', None))
        data_preprocessor = {'type': own, **data_preprocessor}
    in_place = [
        module
        for module in student.modules()
        if getattr(module, 'inplace', False)
    ]
    if several:
        if teacher_mode != 'tensor':
            raise SettingError(
                f"{owner} has several teachers and teacher_mode='loss', "
                f'but runs them without their losses; write '
                f"teacher_mode='tensor'."
            )
        teacher = build_ensemble(
            teacher_cfgs, teacher_weights, teacher_ckpt, distiller
        )
    elif teacher_weights is not None:
        raise SettingError(
            f'{owner} has teacher_weights={teacher_weights!r} and one '
            f'teacher; leave them out, or write a list of teachers.'
        )
    elif isinstance(teacher_ckpt, (list, tuple)):
        raise SettingError(
            f'{owner} has teacher_ckpt={teacher_ckpt!r} and one teacher; '
            f'write one checkpoint, or a list of teachers.'
        )
    else:
        teacher = teacher_cfgs[0].build()
    return Networks(student, teacher, data_preprocessor, in_place)
