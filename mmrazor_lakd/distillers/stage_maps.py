"""Which modules give the maps of the stages that two networks declare."""

from typing import Any, Dict, List, Optional, Sequence, Tuple

from ..backbones.stages import Stages
from ..errors import SettingError

MAPS = ('preact', 'output')
ROLES = ('student', 'teacher')


def stages_of(backbone: Optional[type], role: str) -> Stages:
    """Get the stages that a backbone class declares.

    Raises:
        SettingError: If it declares none.
    """
    stages = getattr(backbone, 'map_stages', None)
    if stages is None:
        name = getattr(backbone, '__name__', 'none is known')
        raise SettingError(
            f"The distiller names stages, but the {role}'s backbone "
            f'({name}) declares none; use one of mmrazor_lakd.backbones, '
            f'or name modules: student_recorders and teacher_recorders, or '
            f'the list local_modules.'
        )
    return stages


def stages_of_both(student: Any, teacher: Any) -> Tuple[Stages, Stages]:
    """Get the stages of two models; see :func:`stages_of`."""
    kinds = [
        type(getattr(model, 'backbone', None)) for model in (student, teacher)
    ]
    return stages_of(kinds[0], ROLES[0]), stages_of(kinds[1], ROLES[1])


def pair_stages(
    maps: Dict[str, str], student: Stages, teacher: Stages
) -> List[Tuple[str, str]]:
    """List the modules that give the maps of the stages that both have.

    Those that either network skips are left out.

    Args:
        maps (dict): ``'preact'`` or ``'output'``, for each role.
        student (Stages): Stages of the student.
        teacher (Stages): Stages of the teacher.

    Raises:
        SettingError: If the last stages have different names.
    """
    return [
        (
            map_source(student, name, maps['student']),
            map_source(teacher, name, maps['teacher']),
        )
        for name in common_names(student.names, teacher.names)
        if name not in student.skipped + teacher.skipped
    ]


def check_maps(where: str, key: str, value: Any) -> None:
    """Raise if a kind of map is unknown."""
    if value not in MAPS:
        raise SettingError(
            f"{where} has {key}={value!r}; write 'preact', the maps before "
            f"the last ReLU of the stages, or 'output'."
        )


def common_names(student: Sequence[str], teacher: Sequence[str]) -> List[str]:
    """List the stages that two networks share; the last must be the same."""
    if student[-1] != teacher[-1]:
        raise SettingError(
            f'The student ends with the stage {student[-1]} and the teacher '
            f'with {teacher[-1]}, so that stages of equal names are of '
            f'different depths; name the modules to compare, in recorders or '
            f'in the list local_modules.'
        )
    return [name for name in student if name in teacher]


def map_source(stages: Stages, name: str, maps: str) -> str:
    """Return the name of the module that outputs a stage's map."""
    tap = 'preact' if maps == 'preact' else stages.output
    return '.'.join(filter(None, ('backbone', name, tap)))
