"""Check and describe the entries of ``local_modules``."""

from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

import torch
from torch import nn

from ..errors import SettingError
from ..partition.cut_checks import check_boundaries
from ..tracing.dry_run import dry_run

# The student's number and the teacher's.
Classes = Tuple[Optional[int], Optional[int]]


class Shapes(NamedTuple):
    """What one image gives at a boundary.

    Attributes:
        student (torch.Size): Shape (1, C, H, W) of the student's map.
        teacher (torch.Size): Likewise.
        student_image (tuple): Height and width of the student's image.
        teacher_image (tuple): Likewise.
    """

    student: torch.Size
    teacher: torch.Size
    student_image: Tuple[int, ...]
    teacher_image: Tuple[int, ...]


SWITCHES = ('isolate', 'early_backward', 'half_maps', 'project_maps')
PARTS = ('connector', 'feature_loss', 'attention_loss', 'classifier_loss')
NAMES = ('student', 'teacher')
ENTRY_KEYS = {*NAMES, 'isolate', 'project_maps', *PARTS}


def check_options(where: str, options: Dict) -> None:
    """Raise if an option is of a wrong type.

    Args:
        where (str): Whose options they are, for the message.
        options (dict): Any of :data:`SWITCHES`, :data:`PARTS` and
            :data:`NAMES`.

    Raises:
        SettingError: If a switch is not a bool, a part neither a config nor
            None, or a name not a string.
    """
    for name, value in options.items():
        # Any non-empty string would count as True, even 'no'.
        if name in SWITCHES and not isinstance(value, bool):
            cure = f'{name}=True or {name}=False'
        elif name in PARTS and not (
            value is None or (isinstance(value, dict) and 'type' in value)
        ):
            cure = f"a config, {name}=dict(type='...'), or None for none"
        elif name in NAMES and not isinstance(value, str):
            cure = f"the name of a module, {name}='backbone.layer1'"
        else:
            continue
        raise SettingError(f'{where} has {name}={value!r}; write {cure}.')


def check_local_modules(
    local_modules: Union[List[Dict], Dict, None],
    num_modules: Optional[int],
) -> None:
    """Check boundaries as far as possible without the models.

    Raises:
        SettingError: If both or neither are given, an entry is not a dict, a
            key is unknown or missing, a value is of a wrong type, or a module
            is given twice.
    """
    if (local_modules is None) == (num_modules is None):
        raise SettingError(
            'LAKDDistiller takes either local_modules, a list of '
            'boundaries, or num_modules, the number of modules to choose '
            'them for; write one of the two.'
        )
    if not isinstance(local_modules, (list, tuple, type(None))) or not all(
        isinstance(entry, dict) for entry in local_modules or []
    ):
        raise SettingError(
            f'LAKDDistiller has local_modules={local_modules!r}; write a list '
            f"of boundaries, [dict(student='backbone.layer1', "
            f"teacher='backbone.layer1')], for example."
        )
    seen = set()
    for index, entry in enumerate(local_modules or []):
        where = f'local_modules[{index}]'
        unknown = sorted(set(entry) - ENTRY_KEYS)
        missing = sorted(set(NAMES) - set(entry))
        if unknown or missing:
            problem = f'lacks {missing}' if missing else f'has {unknown}'
            raise SettingError(
                f'{where} {problem}; it takes student and teacher (names '
                f'of modules) and, if need be, isolate, connector, '
                f'feature_loss, attention_loss, classifier_loss and '
                f'project_maps.'
            )
        check_options(where, entry)
        if entry['student'] in seen:
            raise SettingError(
                f"{where}: the student's module '{entry['student']}' is "
                f'given twice; one boundary can lie there.'
            )
        seen.add(entry['student'])


def check_number_of_cuts(num_modules: Optional[int], isolate: bool) -> None:
    """Raise if the program is to choose cuts and to make none.

    Args:
        num_modules (int, optional): See :class:`LAKDDistiller`.
        isolate (bool): Likewise.

    Raises:
        SettingError: If it is. One module has no cuts.
    """
    if num_modules not in (None, 1) and not isolate:
        raise SettingError(
            f'LAKDDistiller has num_modules={num_modules!r} and '
            f'isolate=False, which would make none of the cuts that are '
            f'chosen; leave isolate out, or, to teach these maps without a '
            f'cut, write the local_modules that num_modules logs instead of '
            f'it.'
        )


def check_projections(
    wanted: Sequence[Optional[bool]], common: bool, projects: Sequence[bool]
) -> None:
    """Raise if ``project_maps`` has no effect.

    Args:
        wanted (Sequence[bool]): What each entry itself says, or None.
        common (bool): What the distiller says.
        projects (Sequence[bool]): Whether each boundary projects a map.

    Raises:
        SettingError: If an entry's or the distiller's has none.
    """
    idle = [
        f'local_modules[{index}]'
        for index, (own, done) in enumerate(zip(wanted, projects))
        if own and not done
    ]
    if common and not any(projects):
        idle.append('LAKDDistiller')
    if idle:
        raise SettingError(
            f'{idle[0]} has project_maps=True, but compares no map with one '
            f"of the teacher's that has more channels; leave project_maps out."
        )


def check_models(
    student: nn.Module,
    teacher: nn.Module,
    local_modules: List[Dict],
    input_size: Union[int, Sequence[int], None],
    feeds: bool = False,
) -> Tuple[List[Shapes], Classes]:
    """Run both models once, and raise if a boundary can't be taught.

    Args:
        student (nn.Module): The student.
        teacher (nn.Module): The teacher.
        local_modules (list[dict]): The boundaries, with all their keys.
        input_size (int | tuple, optional): As in :func:`dry_run`.
        feeds (bool): Whether teacher maps are passed on.

    Returns:
        tuple[list[Shapes], tuple]: For each boundary the shapes of the maps
        and of the images; the numbers of classes of both, None
        if an output is not a single tensor of logits.
    """
    traces = [
        dry_run(
            model,
            [entry[role] for entry in local_modules],
            role,
            input_size,
        )
        for role, model in (('student', student), ('teacher', teacher))
    ]
    for entry, *tokens in zip(local_modules, *(t.tokens for t in traces)):
        if feeds and any(tokens):
            role = NAMES[tokens.index(True)]
            raise SettingError(
                f"feed mixes maps (N, C, H, W), but the {role}'s module "
                f"'{entry[role]}' gives tokens; write feed='student'."
            )
    # Of (N, K) only: a segmentor's output is not the logits of an image.
    classes = tuple(
        trace.logits[1] if trace.logits and len(trace.logits) == 2 else None
        for trace in traces
    )
    cuts = [e['student'] for e in local_modules if e['isolate']]
    check_boundaries(student, cuts, 'student', input_size)
    sizes = [trace.image_size for trace in traces]
    shapes = [
        Shapes(*pair, *sizes)
        for pair in zip(*(trace.shapes for trace in traces))
    ]
    return shapes, classes


def describe_modules(local_modules: List[Dict], shapes: List[Shapes]) -> str:
    """Describe which module learns what.

    Args:
        local_modules (list[dict]): The boundaries, with all their keys.
        shapes (list[Shapes]): From :func:`check_models`.
    """
    lines = ['LAKD trains these local modules:']
    for number, (entry, shape) in enumerate(zip(local_modules, shapes), 1):
        cut = 'cut' if entry['isolate'] else 'no cut'
        teachers = []
        if entry['feature_loss'] or entry['attention_loss']:
            teachers.append(f'{entry["teacher"]} {tuple(shape.teacher[1:])}')
        if entry['classifier_loss']:
            teachers.append('a local classifier')
        lines.append(
            f'  module {number}: up to {entry["student"]} '
            f'{tuple(shape.student[1:])} ({cut}), taught by '
            f'{" and ".join(teachers) or "nothing"}'
        )
    lines.append(f'  module {len(local_modules) + 1}: the rest, with the head')
    return '\n'.join(lines)
