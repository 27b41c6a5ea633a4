"""FCFD: the later stages of both networks compare features by function."""

from typing import Any, Dict, List, Tuple, Union

import torch
import torch.nn.functional as F
from mmengine.dist import broadcast
from mmrazor.models.task_modules import ModuleOutputsRecorder, RecorderManager
from mmrazor.registry import MODELS
from torch import nn

from ..connectors import BridgeConnector
from ..errors import SettingError, check_choice, check_number
from ..losses import check_losses
from ..losses.negative_sampler import mix_torch_seed
from ..losses.weighted_square import at_least_float32
from ..tracing.dry_run import find_pass
from ..tracing.modules import eval_mode
from ..tracing.passes import kept_buffers, run_model
from ..tracing.records import release_records
from .builders import build_part
from .class_counts import check_counts
from .feature_distiller import FeatureDistiller
from .function_paths import (
    Path,
    check_declared,
    check_stages,
    list_paths,
    run_later_stages,
)
from .stage_maps import MAPS, ROLES, pair_stages, stages_of_both


def pooled(feature: torch.Tensor) -> torch.Tensor:
    """Pool a map after a ReLU, (N, C, H, W) to (N, C, 1, 1)."""
    return F.adaptive_avg_pool2d(F.relu(at_least_float32(feature)), 1)


@MODELS.register_module()
class FunctionConsistentDistiller(FeatureDistiller):
    r"""FCFD: compares maps by what later stages make of them.

    .. math::
        L = \sum_k d_k(B_k(F_S^k), F_T^k) + \sum_{paths \to T} \Big(
            \sum_{j > k} d_j(F_{S \to T}^{k, j}, F_T^j)
            + KL(z_T, z_{S \to T}^k) \Big)
            + \sum_{paths \to S} KL(z_T, z_{T \to S}^k)

    In each step, some paths are drawn. A path takes one network's map of
    stage k through a bridge and the other network's later stages, which gives
    maps and logits. Bridged maps of the student, and those that the teacher's
    stages make of them, are compared with the teacher's maps, in the last
    stage also after a ReLU and pooling; a path's logits with the teacher's.
    In the steps of other paths the bridges that are not used get a gradient
    of 0.

    The paths leave the running statistics of both networks alone. The student
    is taught through the teacher's stages, which don't change. Paths are the
    same in every process, and after a resume.

    Source: Liu et al., "Function-Consistent Feature Distillation", ICLR 2023,
    by its authors' code.

    Args:
        maps (str | dict): The maps of the networks' stages, ``'output'`` or
            ``'preact'``, see :class:`FeatureDistiller`; a dict for different
            ones of ``student`` and ``teacher``. Defaults to ``'output'``.
        through (str): Whose later stages the paths run: ``'teacher'``,
            ``'student'`` or ``'both'``. Defaults to ``'both'``.
        extra_paths (int): How many paths are drawn in each step. Defaults to
            2.
        feature_loss (dict): Loss d of two maps, called as (student's,
            teacher's). Defaults to the mean squared difference.
        logits_loss (dict): Loss of a path's logits, called as (path's,
            teacher's). Defaults to KD's with a temperature of 4.
        kwargs: Arguments of :class:`FeatureDistiller`, such as the losses of
            the student's own logits.

    Raises:
        SettingError: If a setting is unknown or out of range, there are fewer
            paths, the networks have no stages that can be run one by one, or
            their numbers of classes differ.

    Examples:
        >>> distiller = dict(
        ...     type='FunctionConsistentDistiller',
        ...     feature_loss=dict(
        ...         type='LocalFeatureLoss', normalize='none', loss_weight=5.0
        ...     ),
        ...     logits_loss=dict(type='LogitsKDLoss', tau=4.0),
        ... )
    """

    seed: torch.Tensor
    step: torch.Tensor

    #: buffers that are those of one training, and not for the next
    of_one_training = ('seed', 'step')

    def __init__(
        self,
        *args: Any,
        maps: Union[str, Dict[str, str]] = 'output',
        through: str = 'both',
        extra_paths: int = 2,
        feature_loss: Dict = dict(type='LocalFeatureLoss', normalize='none'),
        logits_loss: Dict = dict(type='LogitsKDLoss', tau=4.0),
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        owner = type(self).__name__
        check_choice(owner, 'through', through, ('teacher', 'student', 'both'))
        check_number(
            owner, 'extra_paths', extra_paths, 1, integer=True, example=2
        )
        self.maps = (
            maps if isinstance(maps, dict) else dict.fromkeys(ROLES, maps)
        )
        if set(self.maps) != set(ROLES):
            raise SettingError(
                f"{owner} has maps={maps!r}; write 'output', 'preact', or "
                f"dict(student='preact', teacher='output')."
            )
        for role, kind in self.maps.items():
            check_choice(owner, f'maps of the {role}', kind, MAPS)
        losses = dict(feature_loss=feature_loss, logits_loss=logits_loss)
        for name, loss in losses.items():
            if not isinstance(loss, dict) or 'type' not in loss:
                raise SettingError(
                    f'{owner} has {name}={loss!r}; write the config of a '
                    f"loss, dict(type='LogitsKDLoss'), for example."
                )
        self.path_losses = nn.ModuleDict(
            {name: build_part(loss) for name, loss in losses.items()}
        )
        check_losses(self.path_losses, owner)
        self.through = through
        self.extra_paths = extra_paths
        # Read, not drawn: drawing would change what is initialised next.
        seed = torch.initial_seed() & (2**63 - 1)
        self.register_buffer('seed', torch.tensor(seed))
        self.register_buffer('step', torch.tensor(0))

    def prepare_from_teacher(self, model: nn.Module) -> None:
        """Find the stages of both networks, and build the bridges."""
        student = self._student[0]
        super().prepare_from_teacher(model)
        # In a plain dict: both belong to the algorithm.
        self._networks = dict(student=student, teacher=model)
        for role, network in self._networks.items():
            check_declared(type(self).__name__, role, network)
        pairs = pair_stages(self.maps, *stages_of_both(student, model))
        self._sources = dict(zip(ROLES, map(list, zip(*pairs))))
        self._paths = list_paths(len(pairs), self.through)
        if self.extra_paths > len(self._paths):
            raise SettingError(
                f'{type(self).__name__} has extra_paths={self.extra_paths}, '
                f'but through={self.through!r} has {len(self._paths)} paths '
                f'between these networks; write that many or fewer.'
            )
        shapes, classes = {}, {}
        for role in ROLES:
            self._add_recorders(role)
            shapes[role], classes[role] = self._find_shapes(role)
        release_records(self)
        if self.through != 'teacher':
            check_counts(
                f"{type(self).__name__} compares the logits of the student's "
                f"later stages with the teacher's class by class",
                classes['student'],
                classes['teacher'],
                cure=", or write through='teacher'",
            )
        # All of the student's maps are compared behind a bridge.
        self._bridged = [Path('teacher', stage) for stage in range(len(pairs))]
        self._bridged += [p for p in self._paths if p.into == 'student']
        self.bridges = nn.ModuleDict(
            {
                path.bridge: BridgeConnector(
                    shapes[path.source][path.stage],
                    shapes[path.into][path.stage],
                    activate=self._is_activated(path),
                )
                for path in self._bridged
            }
        )

    def _is_activated(self, path: Path) -> bool:
        """Check whether a path's later stages expect a map after a ReLU."""
        source = self._sources[path.into][path.stage]
        module = self._networks[path.into].get_submodule(source)
        return any(name == 'relu' for name, _ in module.named_children())

    def _add_recorders(self, role: str) -> None:
        """Record the maps of a network, and the logits of the teacher."""
        sources = list(self._sources[role])
        if role == 'teacher':
            sources.append('head')
        for source in sources:
            recorder = ModuleOutputsRecorder(source)
            recorder.initialize(self._networks[role])
            self._recorders(role).recorders[f'path.{source}'] = recorder

    def _recorders(self, role: str) -> RecorderManager:
        return getattr(self, f'{role}_recorders')

    def _record(self, role: str, source: str) -> torch.Tensor:
        """Return what was recorded of a module in this step."""
        recorder = self._recorders(role).get_recorder(f'path.{source}')
        return recorder.get_record_data()

    def _maps(self, role: str) -> List[torch.Tensor]:
        """Return the recorded maps of a network, (N, C, H, W) each."""
        return [self._record(role, source) for source in self._sources[role]]

    @torch.no_grad()
    def _find_shapes(self, role: str) -> Tuple[List[Tuple[int, ...]], int]:
        """Run a network on an image, as a whole and by its stages.

        Returns:
            tuple: The shapes (C, H, W) of its maps, and its number of classes.
        """
        network, sources = self._networks[role], self._sources[role]
        black, _ = find_pass(network, role, self.input_size)
        # Some noise: of a black image, all maps may be 0.
        generator = torch.Generator().manual_seed(0)
        image = torch.randn(black.shape, generator=generator).to(black)
        with eval_mode(network):
            with self._recorders(role):
                logits = run_model(network, image)
            maps = self._maps(role)
            check_stages(
                type(self).__name__, role, network, sources, maps, logits
            )
        return [tuple(feature.shape[1:]) for feature in maps], logits.shape[1]

    def compute_distill_losses(self) -> Dict[str, torch.Tensor]:
        """Return the stock losses, and those of maps and paths.

        ``path.loss_maps`` sums the differences of all maps,
        ``path.loss_logits`` those of the logits of all paths.
        """
        losses = super().compute_distill_losses()
        maps = {role: self._maps(role) for role in ROLES}
        t_logits = self._record('teacher', 'head')
        drawn = self._draw_paths()
        starts = {
            path: self.bridges[path.bridge](maps[path.source][path.stage])
            for path in self._bridged
            if path.into == 'teacher' or path in drawn
        }
        compared = [
            (path.stage, feature)
            for path, feature in starts.items()
            if path.into == 'teacher'
        ]
        divergences = []
        for path in drawn:
            network = self._networks[path.into]
            with kept_buffers(network):
                later, logits = run_later_stages(
                    network,
                    self._sources[path.into],
                    path.stage,
                    starts[path],
                )
            if path.into == 'teacher':
                compared += enumerate(later, path.stage + 1)
            divergences.append(
                self.path_losses['logits_loss'](logits, t_logits)
            )
        # Without a gradient, several processes would wait for it.
        idle = [
            self.bridges[p.bridge] for p in self._bridged if p not in starts
        ]
        divergences += [
            0 * p.sum() for bridge in idle for p in bridge.parameters()
        ]
        losses['path.loss_maps'] = sum(
            self._difference(stage, feature, maps['teacher'])
            for stage, feature in compared
        )
        losses['path.loss_logits'] = sum(divergences)
        return losses

    def _draw_paths(self) -> List[Path]:
        """Draw the paths of this step, by the seed and the step's number."""
        if int(self.step) == 0:
            # DistributedDataParallel may leave each process its own seed.
            broadcast(self.seed)
        generator = torch.Generator()
        generator.manual_seed(mix_torch_seed(int(self.seed), int(self.step)))
        self.step += 1
        order = torch.randperm(len(self._paths), generator=generator)
        return [self._paths[i] for i in order[: self.extra_paths].tolist()]

    def _difference(
        self, stage: int, feature: torch.Tensor, t_maps: List[torch.Tensor]
    ) -> torch.Tensor:
        """Compare a map with the teacher's; the last also as it is pooled."""
        compare = self.path_losses['feature_loss']
        value = compare(feature, t_maps[stage])
        if stage == len(t_maps) - 1:
            value = value + compare(pooled(feature), pooled(t_maps[stage]))
        return value
