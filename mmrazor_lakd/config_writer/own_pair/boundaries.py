"""Choose where a student of the user's is cut, and what it learns there."""

from typing import Any, Dict, List, Optional, Sequence, Tuple

from ...errors import SettingError
from ...partition.cut_checks import check_boundaries
from ...partition.pairing import pair_blocks
from ...partition.partition import Partition, partition
from ...tracing.blocks import Block, find_blocks
from ...tracing.dry_run import dry_run
from .networks import OwnNetwork

# As accurate as one cut, and in less memory, where the head learns logits
# (docs/en/benchmarks.md).
MODULES = 4

Boundaries = List[Dict[str, Any]]


def choose_boundaries(
    student: OwnNetwork, teacher: OwnNetwork, num_modules: Optional[int]
) -> Tuple[Boundaries, str]:
    """Choose the boundaries of LAKD.

    Args:
        student (OwnNetwork): The student.
        teacher (OwnNetwork): The teacher.
        num_modules (int, optional): Number of modules, each cut off from the
            next; None for four, or as many as save memory.

    Returns:
        tuple: The boundaries, and why, as a comment.
    """

    def cut(number: int) -> Partition:
        return partition(
            student.model, teacher.model, number, student.input_size
        )

    if num_modules is not None:
        found = cut(num_modules)
    else:
        found = cut(min(MODULES, _most_modules(student)))
        if found.enough < len(found.modules):
            found = cut(max(2, found.enough))
    return found.local_modules, (
        f'{len(found.modules)} modules, the largest of which needs as little '
        f'memory as it can; stages that end in the last one are taught '
        f'without a cut.'
    )


def _most_modules(student: OwnNetwork) -> int:
    """Return how many modules a student can be cut into, at least two.

    Where it can't be cut at all, two is refused with the reason.
    """
    blocks = find_blocks(student.model, student.role, student.input_size)
    return max(2, 1 + sum(block.can_cut for block in blocks))


def pair_stage_ends(
    student: OwnNetwork, teacher: OwnNetwork
) -> List[Tuple[str, str]]:
    """Pair the last block of each of the student's stages with a teacher's.

    Blocks whose maps have one height and width are a stage.

    Returns:
        list[tuple[str, str]]: Names of the student's and teacher's blocks.
    """
    pairs = _paired(student, teacher)
    sizes = [own.shape[1:] for own, _ in pairs] + [None]
    return [
        (own.name, other.name)
        for (own, other), size, following in zip(pairs, sizes, sizes[1:])
        if size != following
    ]


def _paired(
    student: OwnNetwork, teacher: OwnNetwork
) -> List[Tuple[Block, Block]]:
    """Pair all of the student's blocks with the teacher's.

    Raises:
        SettingError: If one of the networks has none.
    """
    found = []
    for network in (student, teacher):
        blocks = find_blocks(network.model, network.role, student.input_size)
        if not blocks:
            raise SettingError(
                f"The {network.role} '{network.source}' has no blocks whose "
                f'maps could be compared; write --method kd.'
            )
        found.append(blocks)
    return list(zip(found[0], pair_blocks(*found)))


def read_cuts(
    texts: Sequence[str], student: OwnNetwork, teacher: OwnNetwork
) -> Boundaries:
    """Read the boundaries that the user names.

    Args:
        texts (Sequence[str]): Of the form ``STUDENT=TEACHER``.
        student (OwnNetwork): The student.
        teacher (OwnNetwork): The teacher.

    Raises:
        SettingError: If one has another form, or the networks can't be cut or
            compared there.
    """
    pairs = [text.partition('=') for text in texts]
    for text, (own, _, other) in zip(texts, pairs):
        if not (own and other):
            raise SettingError(
                f'--cuts takes STUDENT=TEACHER, two names of modules, not '
                f"'{text}'; write backbone.layer1=backbone.layer1, for "
                f'example.'
            )
    boundaries = [dict(student=own, teacher=other) for own, _, other in pairs]
    for network in (student, teacher):
        names = [entry[network.role] for entry in boundaries]
        dry_run(
            network.model, names, network.role, student.input_size, '--cuts'
        )
    check_boundaries(
        student.model,
        [entry['student'] for entry in boundaries],
        'student',
        student.input_size,
    )
    return boundaries
