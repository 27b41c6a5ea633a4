"""Where networks are compared, and the blocks in between."""

from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from torch import nn

from ..errors import SettingError
from ..tracing.autograd_graph import graph_run
from ..tracing.blocks import find_blocks
from .module_ends import ModuleEnd, check_networks, choose_module_ends


class Places(NamedTuple):
    """Where networks are compared.

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
    modules: Optional[Sequence[str]] = None,
) -> Places:
    """Find the module ends of a config, and the blocks of all networks.

    Args:
        distiller (dict): Settings of the analysed config's distiller.
        models (dict): The networks by their labels: the teacher, the
            analysed student, other students.
        input_size (Sequence[int]): Height and width of the images.
        modules (Sequence[str], optional): See :func:`choose_module_ends`.

    Raises:
        SettingError: If another student doesn't have the modules, or a
            network has no blocks or other classes.
    """
    blocks = [
        _block_names(model, 'student' if place else 'teacher', input_size)
        for place, model in enumerate(models.values())
    ]
    teacher, student, *_ = models.values()
    ends = choose_module_ends(distiller, student, teacher, input_size, modules)
    check_networks(models, ends, input_size)
    end_blocks: List[List[Optional[str]]] = []
    for place, (model, names) in enumerate(zip(models.values(), blocks)):
        role = 'student' if place else 'teacher'
        order = list(graph_run(model, role, input_size).outputs)
        end_blocks.append([])
        for end in ends:
            until = order.index(getattr(end, role))
            before = [name for name in names if order.index(name) <= until]
            end_blocks[-1].append(before[-1] if before else None)
    return Places(ends, blocks, end_blocks)


def _block_names(model, role: str, input_size) -> List[str]:
    """List the blocks of a network, which must have at least one."""
    blocks = find_blocks(model, role, input_size)
    if not blocks:
        raise SettingError(
            f'The {role} has no blocks, items of an nn.Sequential or '
            f'nn.ModuleList in the backbone that have layers and give one '
            f'map, (N, C, H, W) or tokens (N, L, C); give another {role}.'
        )
    return [block.name for block in blocks]
