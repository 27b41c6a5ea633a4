"""The entries of ``local_modules``, checked and described."""

from typing import Dict, List, Optional, Tuple

import torch
from torch import nn

from ..errors import SettingError
from .blocks import check_boundaries
from .dry_run import dry_run

ENTRY_KEYS = {
    'student',
    'teacher',
    'isolate',
    'connector',
    'feature_loss',
    'attention_loss',
    'classifier_loss',
}


def check_entries(
    local_modules: Optional[List[Dict]], num_modules: Optional[int]
) -> None:
    """Refuse boundaries that can be seen to be wrong without the models.

    Raises:
        SettingError: If not one of the two is given, a key is unknown or
            missing, or a module is doubled.
    """
    if (local_modules is None) == (num_modules is None):
        raise SettingError(
            'LAKDDistiller takes either local_modules, a list of '
            'boundaries, or num_modules, the number of modules to choose '
            'them for; write one of the two.'
        )
    seen = set()
    for index, entry in enumerate(local_modules or []):
        where = f'local_modules[{index}]'
        unknown = sorted(set(entry) - ENTRY_KEYS)
        missing = sorted({'student', 'teacher'} - set(entry))
        if unknown or missing:
            problem = f'lacks {missing}' if missing else f'has {unknown}'
            raise SettingError(
                f'{where} {problem}; it takes student and teacher (names '
                f'of modules) and, if need be, isolate, connector, '
                f'feature_loss, attention_loss and classifier_loss.'
            )
        if entry['student'] in seen:
            raise SettingError(
                f"{where}: the student's module '{entry['student']}' is "
                f'given twice; one boundary can lie there.'
            )
        seen.add(entry['student'])


def check_models(
    student: nn.Module,
    teacher: nn.Module,
    local_modules: List[Dict],
    input_size: Optional[int],
) -> Tuple[List[Tuple[torch.Size, torch.Size]], Optional[int]]:
    """Look at the maps of both models, and refuse what can't be taught.

    Returns:
        tuple[list[tuple], int]: For each boundary the shapes of the
        student's and of the teacher's map; the student's number of classes,
        or None where its output is not one tensor of logits.
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
    s_logits, t_logits = (trace.logits for trace in traces)
    if s_logits and t_logits and s_logits[1:] != t_logits[1:]:
        raise SettingError(
            f'The teacher has {t_logits[-1]} classes and the student '
            f'{s_logits[-1]}; set num_classes of both heads to the '
            f'number of classes of the data.'
        )
    cuts = [e['student'] for e in local_modules if e['isolate']]
    check_boundaries(student, cuts, 'student', input_size)
    shapes = list(zip(*(trace.shapes for trace in traces)))
    return shapes, s_logits[-1] if s_logits else None


def describe(local_modules: List[Dict], shapes: List[Tuple]) -> str:
    """Say which module learns what.

    Args:
        local_modules (list[dict]): The boundaries, with all of their keys.
        shapes (list[tuple]): From :func:`check_models`.
    """
    lines = ['LAKD trains these local modules:']
    for number, (entry, (s_shape, t_shape)) in enumerate(
        zip(local_modules, shapes), 1
    ):
        cut = 'cut' if entry['isolate'] else 'no cut'
        teachers = []
        if entry['feature_loss'] or entry['attention_loss']:
            teachers.append(f'{entry["teacher"]} {tuple(t_shape[1:])}')
        if entry['classifier_loss']:
            teachers.append('a local classifier')
        lines.append(
            f'  module {number}: up to {entry["student"]} '
            f'{tuple(s_shape[1:])} ({cut}), taught by '
            f'{" and ".join(teachers) or "nothing"}'
        )
    lines.append(f'  module {len(local_modules) + 1}: the rest, with the head')
    return '\n'.join(lines)
