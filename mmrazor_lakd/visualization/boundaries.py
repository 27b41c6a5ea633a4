"""Where to look into teacher and student: after each of their modules."""

from itertools import groupby
from typing import List, NamedTuple, Optional, Sequence, Tuple

from mmengine.config import Config
from torch import nn

from ..distillers.blocks import find_blocks
from ..distillers.dry_run import dry_run
from ..distillers.local_modules import check_entries
from ..distillers.partition import pair_blocks, partition
from ..errors import SettingError
from ..evaluation.networks import Network

BACKBONE = 'backbone.'
# What this project's networks call a stage's map before its last ReLU.
TAP = '.preact'


class Boundary(NamedTuple):
    """A place in the student, and the one in the teacher it belongs to.

    Attributes:
        title (str): What the pictures call it, such as ``'module 1'``.
        student (str): The student's module that gives the map.
        teacher (str): The teacher's.
    """

    title: str
    student: str
    teacher: str

    def describe(self) -> str:
        """Name the modules, without the backbone's own name."""
        student, teacher = shorten(self.student), shorten(self.teacher)
        if student == teacher:
            return '' if student == self.title else student
        return f'{student}, teacher: {teacher}'


def shorten(name: str) -> str:
    """Leave a module's backbone out of its name."""
    return name[len(BACKBONE) :] if name.startswith(BACKBONE) else name


def find_boundaries(
    cfg: Config,
    student: Network,
    teacher: Network,
    modules: Optional[Sequence[str]] = None,
) -> List[Boundary]:
    """Find the modules whose maps are to be shown.

    They are ``modules``; or else the local modules of LAKD, the last one
    included; or else the networks' stages.

    Args:
        cfg (Config): Of the distillation.
        student (Network): Its student.
        teacher (Network): Its teacher.
        modules (Sequence[str], optional): Names of modules; where they differ
            in the two networks, ``STUDENT:TEACHER``.

    Raises:
        SettingError: If a module is unknown or gives no map, or if the
            networks have no stages.
    """
    distiller = cfg.model.get('distiller') or {}
    size = distiller.get('input_size')
    option = '--modules'
    if modules:
        pairs = [_parse(text) for text in modules]
        titles = [shorten(name) for name, _ in pairs]
    else:
        pairs = _local_modules(distiller, student.model, teacher.model, size)
        if pairs:
            option = 'local_modules'
        stages = _stages(student.model, teacher.model, size)
        kind = 'module' if pairs else 'stage'
        if not pairs:
            pairs = stages
        elif stages and not _same_place(pairs[-1][0], stages[-1][0]):
            pairs.append(stages[-1])
        titles = [f'{kind} {number}' for number in range(1, len(pairs) + 1)]
    if not pairs:
        raise SettingError(
            'The networks have no stages that could be found; name the '
            'modules to look at by --modules STUDENT:TEACHER ..., each one '
            'that gives a map (N, C, H, W).'
        )
    boundaries = [Boundary(title, *pair) for title, pair in zip(titles, pairs)]
    check_networks(boundaries, [teacher, student], option, size)
    return boundaries


def check_networks(
    boundaries: Sequence[Boundary],
    networks: Sequence[Network],
    option: str = '--modules',
    input_size: Optional[int] = None,
) -> None:
    """Refuse networks without these modules, or with other classes.

    Args:
        boundaries (Sequence[Boundary]): Where to look.
        networks (Sequence[Network]): The teacher first, then students.
        option (str): What names the modules, for the messages.
        input_size (int | tuple, optional): As in :func:`dry_run`.

    Raises:
        SettingError: Naming the network.
    """
    classes = []
    for index, (label, model, *_) in enumerate(networks):
        names = [b.student if index else b.teacher for b in boundaries]
        role = f'student {label}' if index else label
        trace = dry_run(model, names, role, input_size, option)
        classes.append(trace.logits)
        if classes[0] and classes[-1] and classes[-1] != classes[0]:
            raise SettingError(
                f'The {role} has {classes[-1][-1]} classes, the teacher '
                f'{classes[0][-1]}; compare networks of the same classes.'
            )


def _parse(text: str) -> Tuple[str, str]:
    """Take ``STUDENT:TEACHER`` apart; one name is for both."""
    student, _, teacher = text.partition(':')
    return student, teacher or student


def _local_modules(distiller, student, teacher, size) -> List[Tuple[str, str]]:
    """List the boundaries of an LAKD distiller, none of another."""
    entries = distiller.get('local_modules')
    count = distiller.get('num_modules')
    if entries is None and count is None:
        return []
    check_entries(entries, count)
    if count is not None:
        entries = partition(student, teacher, count, size).local_modules
    return [(entry['student'], entry['teacher']) for entry in entries]


def _stages(student: nn.Module, teacher: nn.Module, size) -> List[Tuple]:
    """Pair the ends of both networks' stages.

    These are the taps that both networks have; without taps the last blocks
    of each stage of the student, and the teacher's blocks of the same depth.
    """
    taps = [
        [name for name, _ in model.named_modules() if name.endswith(TAP)]
        for model in (student, teacher)
    ]
    common = [name for name in taps[0] if name in taps[1]]
    if common:
        return [(name, name) for name in common]
    s_blocks = find_blocks(student, 'student', size)
    t_blocks = find_blocks(teacher, 'teacher', size)
    if not (s_blocks and t_blocks):
        return []
    pairs = zip(s_blocks, pair_blocks(s_blocks, t_blocks))
    stages = groupby(pairs, lambda pair: pair[0].shape[1:])
    ends = [list(stage)[-1] for _, stage in stages]
    return [(student.name, teacher.name) for student, teacher in ends]


def _same_place(name: str, other: str) -> bool:
    """Whether one of two modules is, or holds, the other."""
    return f'{name}.'.startswith(f'{other}.') or other.startswith(f'{name}.')
