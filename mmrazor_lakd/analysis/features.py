"""The features kept of a map, and a comparison at the ends of modules."""

from typing import Iterable, List, NamedTuple, Optional, Sequence

import torch
from torch import nn

from ..connectors import match_size
from ..losses import ndam_map
from ..tracing.features import read_maps
from .cka import cells, linear_cka
from .linear_probe import probe_features
from .map_correlation import map_correlation
from .module_ends import ModuleEnd


class MapFeatures(NamedTuple):
    """The features kept of a map.

    Attributes:
        cells (torch.Tensor): See :func:`cells`.
        ndam (torch.Tensor, optional): NDAM map, (N, 1, H, W), only at the
            ends of modules.
        pooled (torch.Tensor, optional): See :func:`probe_features`; likewise.
    """

    cells: torch.Tensor
    ndam: Optional[torch.Tensor] = None
    pooled: Optional[torch.Tensor] = None


def map_features(
    feature: torch.Tensor,
    grid: int = 4,
    is_end: bool = True,
    rectified: bool = True,
) -> MapFeatures:
    """Compute the features of a map.

    Args:
        feature (torch.Tensor): A map (N, C, H, W).
        grid (int): See :func:`cells`. Defaults to 4.
        is_end (bool): Whether it is at the end of a module. Defaults to
            True.
        rectified (bool): See :func:`probe_features`. Defaults to True.
    """
    if not is_end:
        return MapFeatures(cells(feature, grid))
    return MapFeatures(
        cells(feature, grid),
        ndam_map(feature),
        probe_features(feature, rectified),
    )


def correlate(student: MapFeatures, teacher: MapFeatures) -> torch.Tensor:
    """Correlate the NDAM maps of each image at the end of a module.

    A student's map of another size is resized to the teacher's.

    Returns:
        torch.Tensor: (N,), see :func:`map_correlation`.
    """
    size = teacher.ndam.shape[-2:]
    return map_correlation(match_size(student.ndam, size), teacher.ndam)


class Comparison(NamedTuple):
    """Student and teacher at the end of a module, on some images.

    Attributes:
        cka (float): Linear CKA, nan for maps of zeros.
        ndam_r (float): Mean correlation of the NDAM maps, nan if undefined.
        student (list[torch.Tensor]): The student's NDAM maps, each (H, W).
        teacher (list[torch.Tensor]): The teacher's, each (H', W').
    """

    cka: float
    ndam_r: float
    student: List[torch.Tensor]
    teacher: List[torch.Tensor]


def compare_modules(
    student: nn.Module,
    teacher: nn.Module,
    ends: Sequence[ModuleEnd],
    batches: Iterable[torch.Tensor],
) -> List[Comparison]:
    """Compare two networks on a few batches, module by module.

    Args:
        student (nn.Module): A model of MMEngine, in eval mode.
        teacher (nn.Module): Likewise.
        ends (Sequence[ModuleEnd]): Where the modules end.
        batches (Iterable[torch.Tensor]): Preprocessed images, each
            (N, C, H, W).
    """
    wanted = {
        role: dict.fromkeys((getattr(end, role) for end in ends), map_features)
        for role in ('student', 'teacher')
    }
    features = [
        (
            read_maps(student, images, wanted['student'])[1],
            read_maps(teacher, images, wanted['teacher'])[1],
        )
        for images in batches
    ]
    found = []
    for end in ends:
        pairs = [
            (own[end.student], taught[end.teacher]) for own, taught in features
        ]
        cells_of_both = (
            torch.cat([maps.cells for maps in side]) for side in zip(*pairs)
        )
        correlations = torch.cat([correlate(*pair) for pair in pairs])
        found.append(
            Comparison(
                cka=linear_cka(*cells_of_both).item(),
                ndam_r=correlations.nanmean().item(),
                student=[m for own, _ in pairs for m in own.ndam[:, 0]],
                teacher=[m for _, taught in pairs for m in taught.ndam[:, 0]],
            )
        )
    return found
