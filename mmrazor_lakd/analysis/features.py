"""The features kept of a map, and a comparison at the ends of modules."""

from typing import Dict, List, NamedTuple, Optional, Sequence

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
    feature: torch.Tensor, grid: int = 4, is_end: bool = True
) -> MapFeatures:
    """Compute the features of a map.

    Args:
        feature (torch.Tensor): A map (N, C, H, W).
        grid (int): See :func:`cells`. Defaults to 4.
        is_end (bool): Whether it is at the end of a module. Defaults to
            True.
    """
    if not is_end:
        return MapFeatures(cells(feature, grid))
    return MapFeatures(
        cells(feature, grid), ndam_map(feature), probe_features(feature)
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
    """Student and teacher at the end of a module, on one batch.

    Attributes:
        cka (float): Linear CKA, nan for maps of zeros.
        ndam_r (float): Mean correlation of the NDAM maps, nan if undefined.
        student (torch.Tensor): The student's NDAM maps, (N, H, W).
        teacher (torch.Tensor): The teacher's, (N, H', W').
    """

    cka: float
    ndam_r: float
    student: torch.Tensor
    teacher: torch.Tensor


def compare_modules(
    student: nn.Module,
    teacher: nn.Module,
    ends: Sequence[ModuleEnd],
    images: torch.Tensor,
) -> List[Comparison]:
    """Compare two networks on one batch, module by module.

    Args:
        student (nn.Module): A model of MMEngine, in eval mode.
        teacher (nn.Module): Likewise.
        ends (Sequence[ModuleEnd]): Where the modules end.
        images (torch.Tensor): Preprocessed images, (N, C, H, W).
    """
    features: Dict[str, Dict[str, MapFeatures]] = {}
    for role, model in (('student', student), ('teacher', teacher)):
        names = [getattr(end, role) for end in ends]
        features[role] = read_maps(
            model, images, dict.fromkeys(names, map_features)
        )[1]
    found = []
    for end in ends:
        own, taught = (
            features['student'][end.student],
            features['teacher'][end.teacher],
        )
        found.append(
            Comparison(
                cka=linear_cka(own.cells, taught.cells).item(),
                ndam_r=correlate(own, taught).nanmean().item(),
                student=own.ndam[:, 0],
                teacher=taught.ndam[:, 0],
            )
        )
    return found
