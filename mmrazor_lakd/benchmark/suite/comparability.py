"""Refuses to train what could not be compared with the results so far."""

from pathlib import Path
from typing import Any, Dict, Iterator, Sequence, Tuple

from ...engine.optimizers.bfloat16_optim_wrapper import has_fast_bfloat16
from ...errors import SettingError
from .results import read_result, result_path
from .suite import Suite, Training
from .teachers import Teachers


def check_teachers(suite: Suite, report: Path, teachers: Teachers) -> None:
    """Refuse to go on with another teacher than the results have.

    Args:
        suite (Suite): The suite.
        report (Path): The folder with the results.
        teachers (Teachers): Finds the teachers that would be used.

    Raises:
        SettingError: If the settings or the weights of a teacher differ.
    """
    given = suite.settings['teacher_checkpoints']
    for name, teacher in suite.teachers.items():
        if teacher is None or given.get(name) is not None:
            continue
        stem = teacher.name.rpartition('-')[0]
        kept = sorted((report / 'results').glob(f'{stem}-*.json'))
        if kept and result_path(report, teacher) not in kept:
            raise SettingError(
                f'{kept[0]} is the result of a teacher with other settings '
                f'(teacher_epochs, teacher_options or its config); go back to '
                f'those, or give another --report.'
            )
    for student, path, result in _known(suite, report):
        name = student.teacher
        if teachers.is_given(name) or not teachers.find(name):
            continue
        known, found = result['teacher'], teachers.hash(name)
        if found != known:
            raise SettingError(
                f'{path} was made with another teacher (weights {known}) '
                f'than {teachers.find(name)} (weights {found}); bring that '
                f'one back, or give another --report.'
            )


def check_precision(
    suite: Suite, report: Path, missing: Sequence[Training]
) -> None:
    """Refuse to put results of two precisions into one table.

    Args:
        suite (Suite): The suite.
        report (Path): The folder with the results.
        missing (Sequence[Training]): What is to be trained.

    Raises:
        SettingError: If this machine computes in another precision than the
            results that the missing ones would be compared with.
    """
    pairs = {training.pair for training in missing}
    for student, path, result in _known(suite, report):
        known, here = result['precision'], precision(student)
        if student.pair in pairs and here != known:
            raise SettingError(
                f'{path} was computed in {known}, but on this machine the '
                f'others would be computed in {here}, and could not be '
                f'compared; go on where {known} is computed (bfloat16 needs '
                f'a GPU or a CPU with AVX-512), or give another --report.'
            )


def precision(training: Training) -> str:
    """Say in which precision a training's forward passes run here."""
    if training.optim_wrapper == 'Bfloat16OptimWrapper':
        return 'bfloat16' if has_fast_bfloat16() else 'float32'
    half = training.optim_wrapper == 'AmpOptimWrapper'
    return 'float16' if half else 'float32'


def _known(
    suite: Suite, report: Path
) -> Iterator[Tuple[Training, Path, Dict[str, Any]]]:
    """Yield the students that have a result, with its file."""
    for student in suite.students:
        path = result_path(report, student)
        if path.is_file():
            yield student, path, read_result(path)
