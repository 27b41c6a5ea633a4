"""The LAKD distiller: local modules, each taught by one teacher map."""

from functools import partial
from typing import Dict, List, Optional, Set

import torch
from mmengine.logging import print_log
from mmrazor.models.distillers import ConfigurableDistiller
from mmrazor.models.task_modules.recorder import ModuleOutputsRecorder
from mmrazor.registry import MODELS
from torch import nn
from torch.profiler import record_function

from ..connectors import match_size
from ..errors import SettingError
from ..losses.weighted_square import weighted_square
from .dry_run import find_modules
from .early_backward import EarlyBackward, prefer_non_reentrant_checkpoints
from .local_modules import (
    build_connector,
    build_part,
    check_entries,
    check_models,
    describe,
)
from .partition import partition
from .records import has_graph, release_records


@MODELS.register_module()
class LAKDDistiller(ConfigurableDistiller):
    """Local Attention Knowledge Distillation.

    The student is cut into local modules: no gradient crosses a boundary.
    Each module but the last is taught by the teacher's map of the same
    depth, through a feature loss and an NDAM (attention) loss; the last one,
    which holds the head, learns from the labels and from the stock
    ``distill_losses`` beside it, such as logits KD.

    Boundaries are active only while an algorithm of MMRazor computes the
    training loss. In evaluation, in export and for whoever calls the student
    itself, the student is the plain student.

    Source: "LAKD-Activation Mapping Distillation Based on Local Learning",
    arXiv 2408.11478. Which modules are taught, and the logits KD at the
    head, are ours: see docs/en/method.md.

    Args:
        local_modules (list[dict], optional): The boundaries, from the input
            to the output, with the keys

            - ``student`` (str): Name of the student's module after which
              the boundary lies. It must give one map (N, C, H, W).
            - ``teacher`` (str): Name of the teacher's module that gives the
              map to learn.
            - ``isolate`` (bool): Whether the gradient ends here. False
              teaches the map without a cut. Defaults to True.
            - ``connector``, ``feature_loss``, ``attention_loss`` (dict |
              None): In place of the common ones below.

            What follows the last boundary is the last module. An empty list
            leaves a :class:`ConfigurableDistiller`.
        num_modules (int, optional): In place of ``local_modules``: the
            number of modules. Where the boundaries lie, and which maps of
            the teacher's they learn, is found by :func:`partition` and
            logged in a form that can be pasted.
        connector (dict, optional): Connector of each module; one of ours or
            of MMRazor's. ``in_channels`` and ``out_channels`` are filled in
            where its class takes them. None needs maps of equal width.
            Defaults to ``dict(type='LocalModuleConnector')``.
        feature_loss (dict, optional): Loss of each module, called as
            ``loss(s_feature, t_feature)``; None for none. Defaults to
            ``dict(type='LocalFeatureLoss')``.
        attention_loss (dict, optional): As ``feature_loss``. Defaults to
            ``dict(type='NDAMLoss')``.
        input_size (int | tuple, optional): Size of the image of the dry
            forward pass in which the widths are found. Defaults to None,
            found by itself.
        early_backward (bool): Whether a module's loss becomes gradients as
            soon as it is known, which frees the module's activations. The
            gradients are the same either way. A module that a stock
            ``distill_losses`` looks into, or that has taught maps without a
            cut in it, keeps its activations. Defaults to True.
        kwargs: Arguments of :class:`ConfigurableDistiller`.

    Raises:
        SettingError: Before training, if a module is unknown, doubled, out
            of order or gives no map, if information passes around a
            boundary, if the connector can't align two maps,
            or if teacher and student have different numbers of classes.

    Examples:
        >>> distiller = dict(
        ...     type='LAKDDistiller',
        ...     local_modules=[
        ...         dict(student='backbone.layer1', teacher='backbone.layer1'),
        ...         dict(student='backbone.layer2', teacher='backbone.layer2'),
        ...     ],
        ...     connector=dict(type='LocalModuleConnector'),
        ...     feature_loss=dict(type='LocalFeatureLoss', loss_weight=1.0),
        ...     attention_loss=dict(type='NDAMLoss', loss_weight=1.0),
        ... )
    """

    def __init__(
        self,
        local_modules: Optional[List[Dict]] = None,
        num_modules: Optional[int] = None,
        connector: Optional[Dict] = dict(type='LocalModuleConnector'),
        feature_loss: Optional[Dict] = dict(type='LocalFeatureLoss'),
        attention_loss: Optional[Dict] = dict(type='NDAMLoss'),
        input_size: Optional[int] = None,
        early_backward: bool = True,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        if (local_modules is None) == (num_modules is None):
            raise SettingError(
                'LAKDDistiller takes either local_modules, a list of '
                'boundaries, or num_modules, the number of modules to choose '
                'them for; write one of the two.'
            )
        if local_modules is not None:
            check_entries(local_modules)
        self.local_modules = local_modules
        self.num_modules = num_modules
        self.defaults = dict(
            isolate=True,
            connector=connector,
            feature_loss=feature_loss,
            attention_loss=attention_loss,
        )
        self.input_size = input_size
        self.early_backward = early_backward
        self.local_connectors = nn.ModuleList()
        self.feature_losses = nn.ModuleList()
        self.attention_losses = nn.ModuleList()
        self._early_backwards: List[EarlyBackward] = []
        # The student, between the two calls that prepare the distiller.
        self._student: List[nn.Module] = []
        # Whether a student's forward pass belongs to a training loss. The
        # algorithm says so by set_deliveries_override(True) before it and by
        # compute_distill_losses() after it.
        self._collecting = False
        self._stopped = False
        self._local_losses: Dict[str, torch.Tensor] = {}
        # How many losses wait for a cut, and what stock recorders hold of the
        # student.
        self._pending = 0
        self._records: Set[int] = set()

    def prepare_from_student(self, model: nn.Module) -> None:
        """Take the student; the teacher decides on its boundaries.

        Called by the algorithm before :meth:`prepare_from_teacher`.
        """
        super().prepare_from_student(model)
        self._student = [model]

    def prepare_from_teacher(self, model: nn.Module) -> None:
        """Set the boundaries, and build what each module is taught with."""
        student = self._student.pop()
        if self.num_modules is not None:
            chosen = partition(
                student, model, self.num_modules, self.input_size
            )
            self.local_modules = chosen.local_modules
            print_log(chosen.describe(), logger='current')
        self.local_modules = [
            {**self.defaults, **entry} for entry in self.local_modules
        ]
        shapes = check_models(
            student, model, self.local_modules, self.input_size
        )
        for index, entry in enumerate(self.local_modules):
            self.local_connectors.append(
                build_connector(entry['connector'], index, *shapes[index])
            )
            self.feature_losses.append(build_part(entry['feature_loss']))
            self.attention_losses.append(build_part(entry['attention_loss']))
            self._early_backwards.append(EarlyBackward())
            # Under a name that can't be one of the user's: those are Python
            # identifiers in a dict().
            self.teacher_recorders.recorders[f'module{index + 1}.teacher'] = (
                ModuleOutputsRecorder(entry['teacher'])
            )
        super().prepare_from_teacher(model)
        self._set_boundaries(student)
        if self.local_modules and self.num_modules is None:
            print_log(describe(self.local_modules, shapes), logger='current')

    def _set_boundaries(self, student: nn.Module) -> None:
        """Have the student's forward pass stop by at each boundary."""
        if self.early_backward and any(
            getattr(module, 'with_cp', False) for module in student.modules()
        ):
            prefer_non_reentrant_checkpoints()
        names = [entry['student'] for entry in self.local_modules]
        # Behind the recorders' hooks: those shall see the map with its graph.
        for index, module in enumerate(
            find_modules(student, names, 'student')
        ):
            module.register_forward_hook(partial(self._at_boundary, index))

    def set_deliveries_override(self, override: bool) -> None:
        """Note the student's turn; MMRazor calls this before each forward.

        An algorithm whose distillation has been stopped (``StopDistillHook``)
        goes on forwarding but never asks for the losses: from then on the
        student must not be cut.
        """
        super().set_deliveries_override(override)
        if override:
            self._collecting = not self._stopped
        elif self._collecting:
            self._stopped = True
            self._reset()

    def _at_boundary(
        self, index: int, module: nn.Module, inputs, output: torch.Tensor
    ) -> Optional[torch.Tensor]:
        """Compute a module's loss and hand on its output without graph."""
        if not (self._collecting and self.training):
            return None
        if getattr(module, '_is_replica', False):
            raise SettingError(
                'LAKDDistiller cannot be trained under DataParallel, whose '
                'replicas share its state; start one process a device '
                '(tools/dist_train.sh).'
            )
        name = f'module{index + 1}'
        entry = self.local_modules[index]
        with record_function(f'lakd/{name}.loss'):
            loss = self._module_loss(index, output)
        if loss is not None:
            self._local_losses[f'{name}.loss'] = loss
            self._pending += 1
        if not entry['isolate']:
            return None
        if self._may_go_early(loss):
            with record_function(f'lakd/{name}.backward'):
                loss = self._early_backwards[index](loss)
            self._local_losses[f'{name}.loss'] = loss
        self._pending = 0
        return output.detach()

    def _module_loss(
        self, index: int, output: torch.Tensor
    ) -> Optional[torch.Tensor]:
        """Compute the weighted sum of a module's losses, and log each."""
        name = f'module{index + 1}'
        recorder = self.teacher_recorders.get_recorder(f'{name}.teacher')
        t_feature = recorder.get_record_data()
        recorder.reset_data_buffer()
        s_feature = match_size(
            self.local_connectors[index](output), t_feature.shape[-2:]
        )
        values, weights = {}, {}
        for kind, loss in (
            ('feature', self.feature_losses[index]),
            ('attention', self.attention_losses[index]),
        ):
            if self.local_modules[index][f'{kind}_loss'] is None:
                continue
            weight = None
            if hasattr(loss, 'position_weight'):
                weight = loss.position_weight(t_feature)
            if weight is None:
                values[kind] = loss(s_feature, t_feature)
            else:
                weights[kind] = weight
        if weights:
            squares = weighted_square(
                s_feature, t_feature, list(weights.values())
            )
            values.update(zip(weights, squares))
        for kind, value in values.items():
            # Without 'loss' in its name, MMEngine logs it and no more.
            self._local_losses[f'{name}.{kind}'] = value.detach()
        return sum(values.values()) if values else None

    def _may_go_early(self, loss: Optional[torch.Tensor]) -> bool:
        """Tell whether nothing else will need the graph of a module."""
        # Asked for in any case, to know the next module's records.
        observed = self._observed()
        return (
            self.early_backward
            and not observed
            and self._pending == 1
            and loss is not None
            and loss.requires_grad
        )

    def _observed(self) -> bool:
        """Tell whether a stock loss will need the module that now ends."""
        known = self._records
        self._records = {
            id(record)
            for recorder in self.student_recorders.recorders.values()
            for record in recorder.data_buffer
            if has_graph(record)
        }
        return not self._records <= known

    def compute_distill_losses(self) -> Dict[str, torch.Tensor]:
        """Return the stock losses and those of the local modules.

        ``module1.loss`` is what module 1 minimises; ``module1.feature`` and
        ``module1.attention``, of which it is the sum, are there for the log.
        """
        losses = {**super().compute_distill_losses(), **self._local_losses}
        self._reset()
        return losses

    def _reset(self) -> None:
        """Let go of the step's losses and maps."""
        self._collecting = False
        self._local_losses = {}
        self._pending = 0
        self._records = set()
        release_records(self)
