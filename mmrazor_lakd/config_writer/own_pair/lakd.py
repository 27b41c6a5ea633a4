"""LAKD for networks of the user's: the cuts, and what the head learns."""

from pathlib import Path
from typing import Any, Dict, Optional, Sequence, Tuple

from mmpretrain.models.classifiers import BaseClassifier

from ...errors import SettingError
from ...tracing.dry_run import dry_run
from ..source_code import Noted
from .boundaries import choose_boundaries, read_cuts
from .methods import COMPARE_LOGITS, read_method
from .networks import CLASSIFIER, OwnNetwork
from .recorders import fit_sources, note_size

# the parts of a distiller that teach the head
HEAD = (
    'student_recorders',
    'teacher_recorders',
    'distill_losses',
    'loss_forward_mappings',
)
Networks = Tuple[OwnNetwork, OwnNetwork]


def make_lakd(
    configs: Path,
    student: OwnNetwork,
    teacher: OwnNetwork,
    num_modules: Optional[int],
    cuts: Sequence[str],
    strong_teacher: bool,
) -> Tuple[Dict[str, Any], OwnNetwork, OwnNetwork]:
    """Make LAKD's distiller: the boundaries, and what the head learns.

    Args:
        configs (Path): The folder of configs.
        student (OwnNetwork): The student.
        teacher (OwnNetwork): The teacher.
        num_modules (int, optional): Number of local modules.
        cuts (Sequence[str]): The cuts, ``STUDENT=TEACHER``.
        strong_teacher (bool): Whether the teacher is clearly better than the
            student alone.

    Returns:
        tuple: The config, with comments, and both networks, as it needs them.

    Raises:
        SettingError: If ``strong_teacher`` has no effect with these networks,
            or a cut is wrong.
    """
    head, note, (student, teacher) = _choose_head(
        student, teacher, strong_teacher
    )
    method = 'lakd_ofd' if head == 'ofd' else 'lakd'
    config = read_method(configs, method, student)[0]
    del config['type']
    boundaries, why = config['local_modules'], ''
    if cuts:
        boundaries = read_cuts(cuts, student, teacher)
        why = 'Cut where --cuts says.'
    elif num_modules is not None or head != 'ofd':
        if num_modules is None and head not in COMPARE_LOGITS:
            num_modules = 2  # more are untried without logits
        boundaries, why = choose_boundaries(student, teacher, num_modules)
    taught: Dict[str, Any] = {}
    if head != 'ofd':
        for part in HEAD:
            del config[part]
    if head in COMPARE_LOGITS:
        logits = read_method(configs, head, student)[0]
        taught = fit_sources(logits, student, teacher)
        del taught['type']
        taught['distill_losses'] = Noted(taught['distill_losses'], note)
    else:
        why = f'{why} {note}'.strip()
    config['local_modules'] = Noted(boundaries, why)
    start = dict(type='LAKDDistiller', input_size=note_size(student))
    return {**start, **config, **taught}, student, teacher


def _choose_head(
    student: OwnNetwork,
    teacher: OwnNetwork,
    strong_teacher: bool,
) -> Tuple[str, str, Tuple[OwnNetwork, OwnNetwork]]:
    """Choose what LAKD's last module learns beside the labels.

    Returns:
        tuple: ``'ofd'``, ``'dkd'``, ``'kd'`` or ``'labels'``; why, as a
        comment; the networks, as the choice needs them.

    Raises:
        SettingError: If ``strong_teacher`` has no effect on it.
    """
    networks = (student, teacher)
    why = _why_labels(student, teacher)
    if why:
        if strong_teacher:
            raise _without_effect(why)
        start = 'What follows the last cut learns from the labels alone'
        return 'labels', f'{start}: {why}.', networks
    reason = 'the choice unless the teacher is clearly better.'
    if strong_teacher:
        reason, staged = _why_not_ofd(student, teacher)
        if staged is not None:
            return (
                'ofd',
                'The teacher is clearly better, and the widths agree: all '
                "stages but the first learn by OFD's loss.",
                staged,
            )
    taught = 'What follows the last cut also learns from the logits'
    why = ''
    if student.has_soft_labels:
        why = (
            'DKD needs one label an image, which Mixup, CutMix and to_onehot '
            'leave to none'
        )
    elif not student.labels:
        why = (
            "DKD needs the index of the class, which the student's loss gives "
            'to no loss_module'
        )
    if why and strong_teacher:
        raise _without_effect(f'{why}, so that KD is taken; {reason[:-1]}')
    if why:
        return 'kd', f'{taught}, by KD: {why}.', networks
    return 'dkd', f'{taught}, by DKD: {reason}', networks


def _why_labels(student: OwnNetwork, teacher: OwnNetwork) -> str:
    """Say why the logits can't be compared; nothing if they can."""
    if student.kind != CLASSIFIER:
        return f'a {student.kind} is taught by maps'
    if student.num_classes != teacher.num_classes:
        return (
            f'the student has {student.num_classes} classes, the teacher '
            f'{teacher.num_classes or "none"}'
        )
    if not isinstance(student.model, BaseClassifier) and not student.labels:
        return 'whether its output is logits is not known'
    return student.why_no_logits


def _without_effect(why: str) -> SettingError:
    """Make the error of a teacher that needn't be called clearly better."""
    return SettingError(
        f"--strong-teacher chooses OFD's maps in place of the logits, but has "
        f'no effect here: {why}; leave it out.'
    )


def _why_not_ofd(
    student: OwnNetwork, teacher: OwnNetwork
) -> Tuple[str, Optional[Tuple[OwnNetwork, OwnNetwork]]]:
    """Say why OFD's maps are not for two networks; if they are, return those.

    OFD compares maps before the last ReLU of each stage, of equal widths.
    """
    start = "OFD's maps, for a teacher that is clearly better, need "
    staged = (student.with_stages(), teacher.with_stages())
    declared = [network.stages for network in staged]
    if None in declared or declared[0] != declared[1]:
        return (
            f'{start}stages of equal names that are known to end with a '
            f"ReLU, as mmpretrain's ResNets and this project's networks have.",
            None,
        )
    names = [f'backbone.{stage}.preact' for stage in declared[0].names]
    widths = [
        [
            shape[1]
            for shape in dry_run(
                network.model, names, network.role, student.input_size
            ).shapes
        ]
        for network in staged
    ]
    if widths[0] != widths[1]:
        return f'{start}maps of equal widths.', None
    return '', staged
