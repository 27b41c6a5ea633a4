"""Checks that new trainings will be comparable with the results so far."""

from pathlib import Path
from typing import Dict, Iterator, Optional, Sequence, Tuple

from ...config_check.kinds import type_name
from ...engine.optimizers.bfloat16_optim_wrapper import has_fast_bfloat16
from ...errors import SettingError
from .results import Kept, read_kept
from .settings import TEACHER
from .suite import Suite
from .teachers import Teachers
from .training import Training


def check_teachers(
    suite: Suite,
    report: Path,
    teachers: Teachers,
    missing: Sequence[Training] = (),
) -> None:
    """Check that the teachers are those of the results.

    Args:
        suite (Suite): The suite.
        report (Path): The folder with the results.
        teachers (Teachers): Finds the teachers that would be used.
        missing (Sequence[Training]): What is to be trained.

    Raises:
        SettingError: If the settings or the weights of a teacher differ, or
            would if it is trained again, or nothing says what its settings
            were.
    """
    trained = {t.pair for t in missing if t.method == TEACHER}
    needed = {t.teacher for t in missing}
    given = suite.settings['teacher_checkpoints']
    kept = read_kept(report)
    for name, teacher in suite.teachers.items():
        if teacher is None or given.get(name) is not None:
            continue
        stem = teacher.name.rpartition('-')[0]
        same = [n for n in sorted(kept) if n.rpartition('-')[0] == stem]
        if same and teacher.name not in same:
            raise SettingError(
                f'{kept[same[0]].place} is the result of a teacher with other '
                f'settings (teacher_epochs, teacher_options or its config); '
                f'go back to those, or give another --report.'
            )
        path = teachers.path(name)
        vouched = any(
            student.teacher == name and result['teacher']
            for student, (_, result) in _known(suite, kept)
        )
        if path.is_file() and name in needed and not (same or vouched):
            raise SettingError(
                f'{path} has no result of its training, which would say with '
                f'which settings it was made; remove it, and one is trained '
                f'anew, or take it as it is by --cfg-options '
                f'teacher_checkpoints.{name}=PATH.'
            )
    for student, (place, result) in _known(suite, kept):
        known, source = result['teacher'], teachers.source(student)
        if source is None and known and student.teacher in trained:
            raise SettingError(
                f'{place} was made with a teacher (weights {known}) that is '
                f'not in {teachers.path(student.teacher)}, and a new one '
                f'would be another; bring that file back, or give another '
                f'--report.'
            )
        # Earlier versions did not record a teacher that the configs name.
        unknown = known if teachers.is_given(student.teacher) else source
        if unknown is None:
            continue
        found = teachers.hash(student)
        if found != known:
            raise SettingError(
                f'{place} was made with another teacher (weights {known}) '
                f'than {source} (weights {found}); bring that one back, or '
                f'give another --report.'
            )


def check_precision(
    suite: Suite, report: Path, missing: Sequence[Training]
) -> None:
    """Check that all results of a table have the same precision.

    Args:
        suite (Suite): The suite.
        report (Path): The folder with the results.
        missing (Sequence[Training]): What is to be trained.

    Raises:
        SettingError: If this machine computes in another precision than the
            results that the missing ones would be compared with.
    """
    pairs = {training.pair for training in missing}
    for student, (place, result) in _known(suite, read_kept(report)):
        if student.pair in pairs:
            check_same_precision(
                (place, recorded_precision(student, result['precision'])),
                precision(student.optim_wrapper, student.amp_dtype),
            )


def check_one_table(suite: Suite, report: Path) -> None:
    """Check that the results of each pair can be compared with each other.

    Args:
        suite (Suite): With the students of the tables.
        report (Path): The folder with the results.

    Raises:
        SettingError: If two were made with teachers of other weights, or
            computed in other precisions.
    """
    teachers: Dict[Tuple, Tuple[str, str]] = {}
    precisions: Dict[Tuple, Tuple[str, str]] = {}
    for student, (place, result) in _known(suite, read_kept(report)):
        # Earlier versions did not record a teacher that the configs name.
        if result['teacher']:
            # A method's options may name a checkpoint of their own.
            source = (student.teacher, str(student.teacher_ckpt))
            other, known = teachers.setdefault(
                source, (place, result['teacher'])
            )
            if known != result['teacher']:
                raise SettingError(
                    f'{place} was made with another teacher (weights '
                    f'{result["teacher"]}) than {other} (weights {known}), '
                    f'and no table can hold both; move one of them to '
                    f'another folder, and give it as --report.'
                )
        kind = (student.pair, student.optim_wrapper, student.amp_dtype)
        found = recorded_precision(student, result['precision'])
        other, known = precisions.setdefault(kind, (place, found))
        if known != found:
            raise SettingError(
                f'{place} was computed in {found}, but {other} in {known}, '
                f'and no table can hold both; move one of them to another '
                f'folder, and give it as --report.'
            )


def check_same_precision(known: Optional[Tuple[str, str]], here: str) -> None:
    """Check that a training will be comparable with an earlier one.

    Args:
        known (tuple[str, str], optional): Where the earlier one is, and its
            precision; None without.
        here (str): The precision on this machine.

    Raises:
        SettingError: If they differ.
    """
    if known is not None and known[1] != here:
        raise SettingError(
            f'{known[0]} was computed in {known[1]}, but on this machine the '
            f'others would be computed in {here}, and could not be '
            f'compared; go on where {known[1]} is computed (bfloat16 needs '
            f'a GPU or a CPU with AVX-512), or give another --report.'
        )


def known_precision(
    suite: Suite, report: Path, training: Training
) -> Optional[Tuple[str, str]]:
    """Find a result with which a training must share its precision.

    Returns:
        tuple[str, str]: Its place and its precision; None if there is none.
    """
    for student, (place, result) in _known(suite, read_kept(report)):
        if (student.pair, student.optim_wrapper, student.amp_dtype) == (
            training.pair,
            training.optim_wrapper,
            training.amp_dtype,
        ):
            return place, recorded_precision(student, result['precision'])
    return None


def recorded_precision(training: Training, record: str) -> str:
    """Return the precision that a record of a training stands for.

    Earlier versions overlooked the ``dtype`` of an AmpOptimWrapper, and took
    one with a scope for float32. Since it decides the precision on every
    machine, such a record can't mean anything else.

    Args:
        training (Training): The training.
        record (str): What was recorded when it was computed or begun.
    """
    wrapper = training.optim_wrapper
    earlier = 'float16' if wrapper == 'AmpOptimWrapper' else 'float32'
    if type_name(wrapper) != 'AmpOptimWrapper' or record != earlier:
        return record
    return precision(wrapper, training.amp_dtype)


def precision(optim_wrapper: str, amp_dtype: Optional[str] = None) -> str:
    """Return the precision of forward passes on this machine.

    Args:
        optim_wrapper (str): Type of the training's optimizer wrapper, with or
            without a scope.
        amp_dtype (str, optional): The ``dtype`` of an AmpOptimWrapper.
            Defaults to None: its own default.
    """
    name = type_name(optim_wrapper)
    if name == 'Bfloat16OptimWrapper':
        return 'bfloat16' if has_fast_bfloat16() else 'float32'
    if name == 'AmpOptimWrapper':
        return (amp_dtype or 'float16').rpartition('.')[2]
    return 'float32'


def _known(
    suite: Suite, kept: Dict[str, Kept]
) -> Iterator[Tuple[Training, Kept]]:
    """Yield the students that have a result, with the result."""
    for student in suite.students:
        if student.name in kept:
            yield student, kept[student.name]
