"""Choose the entries of ``local_modules``, and build what teaches each."""

from typing import Any, Dict, List, Optional, Sequence, Union

from mmengine.logging import print_log
from torch import nn

from ..errors import SettingError
from ..partition.partition import partition
from .curriculum import Curriculum
from .local_modules import (
    Classes,
    Shapes,
    check_local_modules,
    check_projections,
)
from .local_teaching import LocalTeaching
from .named_stages import expand_local_modules
from .stage_maps import stages_of_both


def choose_entries(
    local_modules: Union[List[Dict], Dict, None],
    num_modules: Optional[int],
    student: nn.Module,
    teacher: nn.Module,
    input_size: Union[int, Sequence[int], None],
) -> List[Dict]:
    """List the boundaries that stages or a number of modules stand for.

    Args:
        local_modules (list[dict] | dict, optional): See
            :class:`LAKDDistiller`.
        num_modules (int, optional): Likewise; the choice is logged.
        student (nn.Module): The student.
        teacher (nn.Module): The teacher.
        input_size (int | tuple, optional): As in :func:`partition`.

    Returns:
        list[dict]: The entries, without the keys that they don't set.

    Raises:
        SettingError: As in :func:`partition` and
            :func:`expand_local_modules`.
    """
    if num_modules is not None:
        chosen = partition(student, teacher, num_modules, input_size)
        print_log(chosen.describe(), logger='current')
        return chosen.local_modules
    if isinstance(local_modules, dict):
        local_modules = expand_local_modules(
            local_modules, *stages_of_both(student, teacher)
        )
        check_local_modules(local_modules, None)
    return list(local_modules or [])


def build_teachings(
    entries: List[Dict],
    defaults: Dict[str, Any],
    shapes: List[Shapes],
    classes: Classes,
    input_size: Union[int, Sequence[int], None],
    curriculum: Curriculum,
    half_maps: bool,
) -> nn.ModuleList:
    """Build the connector and the losses of each boundary.

    Args:
        entries (list[dict]): From :func:`choose_entries`.
        defaults (dict): What holds for the keys that an entry doesn't set.
        shapes (list[Shapes]): From :func:`check_models`.
        classes (tuple[int, int]): Likewise.
        input_size (int | tuple, optional): Size of the images, if given.
        curriculum (Curriculum): What changes during the training.
        half_maps (bool): Whether teacher maps are kept in bfloat16.

    Raises:
        SettingError: As in :class:`LocalTeaching`, if a pooling window is
            larger than the maps, or if a setting has no effect.
    """
    teachings = nn.ModuleList()
    for index, (entry, shape) in enumerate(zip(entries, shapes)):
        teaching = LocalTeaching(
            {**defaults, **entry},
            index,
            shape,
            classes,
            curriculum.feeds,
            half_maps,
        )
        if input_size is not None:
            # The larger size, since a connector may resize a map to it.
            height, width = map(max, shape.student[-2:], shape.teacher[-2:])
            teaching.check_windows((height, width))
        teachings.append(teaching)
    curriculum.check_effect([len(t.losses) > 0 for t in teachings])
    if half_maps and not any(t.compares_maps for t in teachings):
        raise SettingError(
            'LAKDDistiller has half_maps=True, but no local module '
            'compares a map with the teacher; give one a feature_loss or '
            'an attention_loss, or leave half_maps out.'
        )
    check_projections(
        [entry.get('project_maps') for entry in entries],
        defaults['project_maps'],
        [teaching.projects for teaching in teachings],
    )
    return teachings
