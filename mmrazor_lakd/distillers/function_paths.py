"""The paths of FCFD: one network's map, the other's later stages."""

from typing import (
    Callable,
    Iterable,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)

import torch
from torch import nn

from ..errors import SettingError
from ..tracing.compare import same_maps


class Path(NamedTuple):
    """A path from one network's stages into the other's.

    Attributes:
        into (str): Whose later stages it runs, ``'student'`` or
            ``'teacher'``.
        stage (int): Whose map of the other network they get, from 0.
    """

    into: str
    stage: int

    @property
    def source(self) -> str:
        """str: Whose map it begins with."""
        return 'student' if self.into == 'teacher' else 'teacher'

    @property
    def bridge(self) -> str:
        """str: The name of its bridge."""
        return f'{self.source}{self.stage + 1}'


def list_paths(stages: int, through: str) -> List[Path]:
    """List the paths between two networks of equally many stages.

    The last map has no path, since no stage follows it.

    Args:
        stages (int): The number of stages.
        through (str): ``'teacher'``, ``'student'`` or ``'both'``.
    """
    roles = ('teacher', 'student') if through == 'both' else (through,)
    return [Path(role, k) for role in roles for k in range(stages - 1)]


def run_later_stages(
    model: nn.Module, sources: Sequence[str], index: int, feature: torch.Tensor
) -> Tuple[List[torch.Tensor], torch.Tensor]:
    """Run a classifier from one of its maps on.

    The modules are looked up at each call, since training may replace some
    (:class:`~mmrazor_lakd.algorithms.FrozenTeacherDistill` folds a teacher's
    batch normalisation).

    Args:
        model (nn.Module): A classifier of MMPretrain whose backbone runs its
            stages one after the other, and a stage its items.
        sources (Sequence[str]): The modules that give its maps, in order.
        index (int): Which of these maps ``feature`` stands for, from 0.
        feature (torch.Tensor): What goes on in its place, (N, C, H, W).

    Returns:
        tuple[list[torch.Tensor], torch.Tensor]: The maps after it, and the
        logits (N, K).
    """
    segments = _segments(model.backbone, sources)
    maps = []
    for modules in segments[index + 1 :]:
        for module in modules:
            feature = module(feature)
        maps.append(feature)
    features = (maps.pop(),)  # the last segment ends with the backbone
    if getattr(model, 'neck', None) is not None:
        features = model.neck(features)
    return maps, model.head(features)


def _stage_names(backbone: nn.Module) -> Sequence[str]:
    """List what a backbone runs after its stem, in order."""
    # Some have another layer after the stages whose maps are distilled.
    return getattr(backbone, 'stages', backbone.map_stages.names)


def _segments(
    backbone: nn.Module, sources: Sequence[str]
) -> List[List[Callable]]:
    """List what a backbone runs up to each map, and after the last one."""
    segments: List[List[Callable]] = [[]]
    for name in _stage_names(backbone):
        stage = getattr(backbone, name)
        items: Iterable[Tuple[str, Callable]] = [('', stage)]
        if isinstance(stage, nn.Sequential):
            items = stage.named_children()
        for item, module in items:
            segments[-1].append(module)
            if f'backbone.{name}.{item}' in sources:
                segments.append([])
        if f'backbone.{name}' in sources:
            segments.append([])
    return segments


def check_declared(owner: str, role: str, model: nn.Module) -> None:
    """Raise if a network's backbone declares no stages.

    Args:
        owner (str): The distiller.
        role (str): ``'student'`` or ``'teacher'``.
        model (nn.Module): The network.

    Raises:
        SettingError: If it declares none.
    """
    backbone = getattr(model, 'backbone', None)
    if not hasattr(backbone, 'map_stages'):
        raise SettingError(
            f'{owner} runs the later stages of both networks, but the '
            f"{role}'s backbone ({type(backbone).__name__}) declares none; "
            f'use one of mmrazor_lakd.backbones, or a method that takes names '
            f'of modules, such as FitNet.'
        )


def check_stages(
    owner: str,
    role: str,
    model: nn.Module,
    sources: Sequence[str],
    maps: Sequence[torch.Tensor],
    logits: torch.Tensor,
) -> None:
    """Raise if a network does more than run its stages, neck and head.

    Args:
        owner (str): The distiller.
        role (str): ``'student'`` or ``'teacher'``.
        model (nn.Module): The network, in eval mode.
        sources (Sequence[str]): The modules that give its maps, in order.
        maps (Sequence[torch.Tensor]): Those maps of some images.
        logits (torch.Tensor): The logits of these images.

    Raises:
        SettingError: If others follow from the first map.
    """
    cause: Optional[Exception] = None
    try:
        later, ends = run_later_stages(model, sources, 0, maps[0])
        if same_maps([*maps[1:], logits], [*later, ends]):
            return
        fault = 'give other logits than the whole'
    except Exception as error:  # of the model, maybe the user's own
        reason = str(error).strip().split('\n')[0]
        cause, fault = error, f'fail ({type(error).__name__}: {reason})'
    backbone = model.backbone
    cure = (
        'use a network of mmrazor_lakd.backbones with its usual neck and head'
    )
    returned = getattr(backbone, 'out_indices', ())
    if returned and len(_stage_names(backbone)) - 1 not in returned:
        cure = (
            f'leave out its out_indices={tuple(returned)}, which lacks the '
            f'last stage, and write the channels of that stage in the head'
        )
    raise SettingError(
        f'{owner} runs the later stages of both networks, but the '
        f"{role}'s ({type(model).__name__} with {type(backbone).__name__}), "
        f'run one after the other, with neck and head, {fault}; {cure}.'
    ) from cause
