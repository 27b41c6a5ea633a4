"""Where student and teacher are compared: at the end of each module."""

from itertools import groupby
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from torch import nn

from ..distillers.local_modules import check_local_modules
from ..distillers.named_stages import expand_local_modules
from ..distillers.stage_maps import stages_of_both
from ..errors import SettingError, nearest
from ..partition.pairing import pair_blocks
from ..partition.partition import partition
from ..tracing.autograd_graph import graph_run
from ..tracing.blocks import find_blocks
from ..tracing.dry_run import dry_run

BACKBONE = 'backbone.'
# Suffix of a stage's map before its last ReLU in this project's networks.
PREACT = '.preact'


class ModuleEnd(NamedTuple):
    """The end of a student's module and of its counterpart in the teacher.

    Attributes:
        student (str): Name of the student's module whose output is the map.
        teacher (str): Name of the teacher's.
        title (str): Title, such as ``'module 1'``.
    """

    student: str
    teacher: str
    title: str

    def describe(self) -> str:
        """Name both maps; once where the names are the same."""
        student, teacher = short_name(self.student), short_name(self.teacher)
        if student == teacher:
            return '' if student == self.title else student
        return f'{student}, teacher: {teacher}'


def short_name(name: str) -> str:
    """Strip the backbone's prefix from a module's name."""
    return name[len(BACKBONE) :] if name.startswith(BACKBONE) else name


def find_module_ends(
    student: nn.Module,
    teacher: nn.Module,
    local_modules: Optional[Sequence[Dict]] = None,
    input_size: Optional[Sequence[int]] = None,
) -> List[ModuleEnd]:
    """Find the maps at which student and teacher are compared.

    With LAKD these are its boundaries and, after the last one, the end of the
    last stage. Otherwise they are the ends of all stages.

    Args:
        student (nn.Module): A model of MMEngine (``mode='tensor'``).
        teacher (nn.Module): Likewise.
        local_modules (Sequence[dict], optional): LAKD's boundaries.
        input_size (Sequence[int], optional): Height and width of the images.

    Returns:
        list[ModuleEnd]: From the input to the output.

    Raises:
        SettingError: If a boundary's module is unknown or gives no map, or
            the networks have no stages.
    """
    stages = _stage_ends(student, teacher, input_size)
    if not local_modules:
        if not stages:
            raise SettingError(
                'The networks have no stages that could be found; name the '
                'modules to look at by --modules STUDENT:TEACHER ..., each '
                'one that gives a map, (N, C, H, W) or tokens (N, L, C).'
            )
        return stages
    ends = [
        ModuleEnd(entry['student'], entry['teacher'], f'module {number}')
        for number, entry in enumerate(local_modules, 1)
    ]
    for role, model in (('student', student), ('teacher', teacher)):
        names = [getattr(end, role) for end in ends]
        dry_run(model, names, role, input_size)
    # A boundary may be the end of the last stage under another name: the
    # last block, or the whole stage.
    order = list(graph_run(student, 'student', input_size).outputs)
    last = [end.student for end in stages[-1:]]
    last += [b.name for b in find_blocks(student, 'student', input_size)[-1:]]
    boundary = order.index(ends[-1].student)
    if stages and all(order.index(name) > boundary for name in last):
        ends.append(stages[-1]._replace(title=f'module {len(ends) + 1}'))
    return ends


def _stage_ends(student, teacher, input_size) -> List[ModuleEnd]:
    """Pair the ends of both networks' stages.

    These are the maps before the last ReLU of a stage, if both networks have
    them: LAKD's losses are there, and other methods should be compared with it
    at the same places. For networks without them, they are the last blocks of
    the student's stages (blocks whose maps have the same size), and the
    teacher's blocks of the same depth.
    """
    names = []
    for role, model in (('student', student), ('teacher', teacher)):
        run = graph_run(model, role, input_size)
        names.append(
            [
                name
                for name, output in run.outputs.items()
                if name.endswith(PREACT) and getattr(output, 'ndim', 0) == 4
            ]
        )
    pairs = [(name, name) for name in names[0] if name in names[1]]
    if not pairs:
        s_blocks = find_blocks(student, 'student', input_size)
        t_blocks = find_blocks(teacher, 'teacher', input_size)
        if not (s_blocks and t_blocks):
            return []
        stages = groupby(
            zip(s_blocks, pair_blocks(s_blocks, t_blocks)),
            lambda pair: pair[0].shape[1:],
        )
        lasts = [list(stage)[-1] for _, stage in stages]
        pairs = [(block.name, other.name) for block, other in lasts]
    return [
        ModuleEnd(*pair, f'stage {number}')
        for number, pair in enumerate(pairs, 1)
    ]


def choose_module_ends(
    distiller: Dict[str, Any],
    student: nn.Module,
    teacher: nn.Module,
    input_size: Optional[Sequence[int]] = None,
    modules: Optional[Sequence[str]] = None,
) -> List[ModuleEnd]:
    """Find the module ends at which the networks of a config are compared.

    Args:
        distiller (dict): Settings of the config's distiller; empty without
            one.
        student (nn.Module): A model of MMEngine (``mode='tensor'``).
        teacher (nn.Module): Likewise.
        input_size (Sequence[int], optional): Height and width of the images.
        modules (Sequence[str], optional): Names of modules instead of the
            config's; ``STUDENT:TEACHER`` if they differ in the two networks.

    Raises:
        SettingError: As :func:`find_module_ends`.
    """
    if not modules:
        entries = _local_modules(distiller, student, teacher)
        return find_module_ends(student, teacher, entries, input_size)
    pairs = [text.partition(':')[::2] for text in modules]
    pairs = [(s, t or s) for s, t in pairs]
    students = [s for s, _ in pairs]
    ends = []
    for student_name, teacher_name in pairs:
        title = short_name(student_name)
        if students.count(student_name) > 1:
            title += f':{short_name(teacher_name)}'
        ends.append(ModuleEnd(student_name, teacher_name, title))
    for role, model in (('teacher', teacher), ('student', student)):
        names = [getattr(end, role) for end in ends]
        dry_run(model, names, role, input_size, '--modules')
    return ends


def _local_modules(distiller, student, teacher) -> List[Dict]:
    """List the boundaries of an LAKD distiller; empty for any other."""
    entries = distiller.get('local_modules')
    count = distiller.get('num_modules')
    if entries is None and count is None:
        return []
    if isinstance(entries, dict):
        entries = expand_local_modules(
            entries, *stages_of_both(student, teacher)
        )
    check_local_modules(entries, count)
    if count is None:
        return entries
    # Partition by the training's image size, not by that of the given images.
    size = distiller.get('input_size')
    return partition(student, teacher, count, size).local_modules


def check_networks(
    models: Dict[str, nn.Module],
    ends: Sequence[ModuleEnd],
    input_size: Optional[Sequence[int]] = None,
) -> None:
    """Check that all students can be compared.

    Args:
        models (dict): The networks by their labels, the teacher first.
        ends (Sequence[ModuleEnd]): Where they are compared.
        input_size (Sequence[int], optional): Height and width of the images.

    Raises:
        SettingError: If one lacks the modules, or has other classes.
    """
    (_, teacher), *students = models.items()
    expected = dry_run(teacher, [], 'teacher', input_size).logits
    names = [end.student for end in ends]
    for label, model in students:
        known = dict(model.named_modules())
        for name in names:
            if name not in known:
                raise SettingError(
                    f"'{label}' has no module '{name}', at which the students "
                    f'are compared (the nearest names are: '
                    f'{nearest(name, known)}); compare students of one '
                    f'architecture, or name modules that all have by '
                    f'--modules.'
                )
        role = f'student {label}'
        logits = dry_run(model, names, role, input_size, '--modules').logits
        # (N, K), or (N, K, H, W) of a segmentor
        if expected and logits and logits[1] != expected[1]:
            raise SettingError(
                f'The teacher has {expected[1]} classes and '
                f"'{label}' {logits[1]}; compare networks that were trained "
                f'on the same classes.'
            )
