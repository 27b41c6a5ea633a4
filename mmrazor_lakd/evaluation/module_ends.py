"""Where a student's modules end, and which of the teacher's maps is there."""

from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from torch import nn

from ..distillers.blocks import Block, find_blocks
from ..distillers.dry_run import dry_run
from ..distillers.graph_run import graph_run
from ..distillers.partition import pair_blocks, partition
from ..errors import SettingError, nearest


class ModuleEnd(NamedTuple):
    """The end of a module of the student's, and the teacher's of that depth.

    Attributes:
        student (str): Name of the student's module that gives the map.
        teacher (str): Name of the teacher's.
    """

    student: str
    teacher: str


def find_network_blocks(
    model: nn.Module, role: str, input_size: Optional[Sequence[int]] = None
) -> List[Block]:
    """Find the blocks of a network, of which there must be one.

    Args:
        model (nn.Module): A model of MMEngine (``mode='tensor'``).
        role (str): ``'student'`` or ``'teacher'``, for the messages.
        input_size (Sequence[int], optional): Height and width of the images.

    Raises:
        SettingError: If there is none.
    """
    blocks = find_blocks(model, role, input_size)
    if not blocks:
        raise SettingError(
            f'The {role} has no blocks, items of an nn.Sequential or '
            f'nn.ModuleList in the backbone that have a convolution and give '
            f'one map (N, C, H, W); give a convolutional {role}.'
        )
    return blocks


def find_module_ends(
    student: nn.Module,
    teacher: nn.Module,
    local_modules: Optional[Sequence[Dict]] = None,
    input_size: Optional[Sequence[int]] = None,
) -> List[ModuleEnd]:
    """Find the maps at which student and teacher are compared.

    With LAKD these are its boundaries and, for what follows the last one,
    the last blocks of both. Without, they are the last blocks of the
    student's stages (blocks whose maps have one size), with the teacher's
    block of the same depth, as :func:`partition` pairs them.

    Args:
        student (nn.Module): A model of MMEngine (``mode='tensor'``).
        teacher (nn.Module): Another.
        local_modules (Sequence[dict], optional): LAKD's boundaries.
        input_size (Sequence[int], optional): Height and width of the images.

    Returns:
        list[ModuleEnd]: From the input to the output.

    Raises:
        SettingError: If a boundary's module is unknown or gives no map, or a
            network has no blocks.
    """
    s_blocks = find_network_blocks(student, 'student', input_size)
    t_blocks = find_network_blocks(teacher, 'teacher', input_size)
    if not local_modules:
        following = [block.shape[1:] for block in s_blocks[1:]] + [None]
        return [
            ModuleEnd(s_block.name, t_block.name)
            for s_block, t_block, size in zip(
                s_blocks, pair_blocks(s_blocks, t_blocks), following
            )
            if s_block.shape[1:] != size
        ]
    ends = [ModuleEnd(e['student'], e['teacher']) for e in local_modules]
    for role, model in (('student', student), ('teacher', teacher)):
        names = [getattr(end, role) for end in ends]
        dry_run(model, names, role, input_size)
    # The last block runs before a boundary that is made of its own map.
    order = list(graph_run(student, 'student', input_size).outputs)
    if order.index(s_blocks[-1].name) > order.index(ends[-1].student):
        ends.append(ModuleEnd(s_blocks[-1].name, t_blocks[-1].name))
    return ends


def configured_modules(
    distiller: Dict[str, Any],
    student: nn.Module,
    teacher: nn.Module,
    input_size: Optional[Sequence[int]] = None,
) -> List[Dict]:
    """Find the boundaries of a config's distiller; none unless it is LAKD's.

    Args:
        distiller (dict): Settings of a distiller.
        student (nn.Module): A model of MMEngine (``mode='tensor'``).
        teacher (nn.Module): Another.
        input_size (Sequence[int], optional): Height and width of the images,
            for a distiller with ``num_modules``.
    """
    count = distiller.get('num_modules')
    if count is None:
        return distiller.get('local_modules') or []
    size = distiller.get('input_size') or input_size
    return partition(student, teacher, count, size).local_modules


class Places(NamedTuple):
    """Where networks are looked at.

    Attributes:
        ends (list[ModuleEnd]): The ends of the modules.
        blocks (list[list[str]]): For each network the names of its blocks.
        end_blocks (list[list[str | None]]): For each network the last block
            before the end of each module, which may be the end itself.
    """

    ends: List[ModuleEnd]
    blocks: List[List[str]]
    end_blocks: List[List[Optional[str]]]


def find_places(
    distiller: Dict[str, Any],
    models: Dict[str, nn.Module],
    input_size: Sequence[int],
) -> Places:
    """Find the module ends of a config, and the blocks of all networks.

    Args:
        distiller (dict): Settings of the analysed config's distiller.
        models (dict): The networks by their labels: the teacher, the
            analysed student, other students.
        input_size (Sequence[int]): Height and width of the images.

    Raises:
        SettingError: If another student doesn't have the modules, or a
            network has no blocks.
    """
    teacher, student, *_ = models.values()
    modules = configured_modules(distiller, student, teacher, input_size)
    ends = find_module_ends(student, teacher, modules, input_size)
    blocks, end_blocks = [], []
    for place, (label, model) in enumerate(models.items()):
        known = dict(model.named_modules())
        for end in ends if place > 0 else []:
            if end.student not in known:
                raise SettingError(
                    f"'{label}' has no module '{end.student}', at which the "
                    f'students are compared (the nearest names are: '
                    f'{nearest(end.student, known)}); compare students of one '
                    f'architecture.'
                )
        role = 'student' if place else 'teacher'
        found = find_network_blocks(model, role, input_size)
        blocks.append([block.name for block in found])
        order = list(graph_run(model, role, input_size).outputs)
        places = [order.index(name) for name in blocks[-1]]
        end_blocks.append([])
        for end in ends:
            until = order.index(getattr(end, role))
            before = [
                name for name, at in zip(blocks[-1], places) if at <= until
            ]
            end_blocks[-1].append(before[-1] if before else None)
    return Places(ends, blocks, end_blocks)
