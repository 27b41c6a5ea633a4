"""The LAKD distiller: local modules, each taught by one teacher map."""

from contextlib import contextmanager
from functools import partial
from typing import Any, Dict, Iterator, List, Optional, Union

import torch
from mmengine.logging import print_log
from mmrazor.registry import MODELS
from torch import nn
from torch.profiler import record_function

from ..errors import SettingError
from ..tracing.modules import find_modules
from ..tracing.records import release_records
from ..tracing.token_maps import map_tensor, with_tensor
from .activation_checkpointing import check_inside, renew_checkpoints
from .build_teachings import build_teachings, choose_entries
from .curriculum import Curriculum
from .feature_distiller import FeatureDistiller
from .frozen_modules import warn_if_frozen
from .idle_parameters import idle_loss
from .local_modules import (
    NAMES,
    check_local_modules,
    check_models,
    check_number_of_cuts,
    check_options,
    describe_modules,
)
from .student_step import StudentStep


@MODELS.register_module()
class LAKDDistiller(FeatureDistiller):
    """Local Attention Knowledge Distillation.

    The student is cut into local modules: no gradient crosses a boundary.
    Each module but the last is taught by the teacher's map of the same
    depth, through a feature loss and an NDAM (attention) loss; the last one,
    which contains the head, learns from the labels and from the stock
    ``distill_losses``, such as logits KD.

    Boundaries are active only while an algorithm of MMRazor computes the
    training loss. In evaluation, in export and when called directly, the
    student is the plain student.

    Source: "LAKD-Activation Mapping Distillation Based on Local Learning",
    arXiv 2408.11478. Which modules are taught, and the logits KD at the
    head, are ours: see docs/en/method.md.

    Args:
        local_modules (list[dict] | dict, optional): The boundaries, from the
            input to the output, with the keys

            - ``student`` (str): Name of the student's module after which
              the boundary lies. It must give one map, (N, C, H, W) or the
              tokens (N, L, C) of a transformer, whose class tokens are not
              compared.
            - ``teacher`` (str): Name of the teacher's module whose map is
              learned.
            - ``isolate``, ``connector``, ``feature_loss``,
              ``attention_loss``, ``classifier_loss``, ``project_maps``:
              Override the common ones below.

            What follows the last boundary is the last module. With an empty
            list, this is a :class:`FeatureDistiller`.

            A dict stands for a boundary after each stage but the last that
            both networks declare: ``maps``, ``'preact'`` or ``'output'``,
            says which map; ``rest`` is a dict with keys as above for all
            boundaries but the first; ``last``, another such dict, also
            teaches the last stage; a number, counted from 0, has the keys of
            that boundary alone, as written by ``--cfg-options`` with
            ``local_modules.0.isolate``. For stages and their maps see
            :class:`FeatureDistiller`.
        num_modules (int, optional): The number of modules, instead of
            ``local_modules``. The boundaries and the teacher's maps are then
            chosen by :func:`partition`, and logged in a form that can be
            pasted.
        isolate (bool): Whether the gradient stops at the boundaries. False
            teaches the maps of ``local_modules`` without a cut. Defaults to
            True.
        connector (dict, optional): Connector of each module, ours or
            MMRazor's. Widths are filled in if its class takes them,
            as in :class:`FeatureDistiller`. None needs maps of equal width.
            Defaults to ``dict(type='LocalModuleConnector')``.
        feature_loss (dict, optional): Loss of each module, called as
            ``loss(s_feature, t_feature)``; None for none. Defaults to
            ``dict(type='LocalFeatureLoss')``.
        attention_loss (dict, optional): As ``feature_loss``. Defaults to
            ``dict(type='NDAMLoss')``.
        classifier_loss (dict, optional): Loss of a classifier at each
            boundary, called as ``loss(s_feature, t_logits, data_samples)``
            with the map before the connector, such as
            ``dict(type='LocalClassifierLoss')``. ``in_channels`` and
            ``num_classes`` are filled in if its class takes them; the logits
            are the output of the teacher's ``head``. Defaults to None.
        progressive (dict, optional): Opens the modules from shallow to deep:
            the weights of their losses grow from 0 to 1 one after another,
            with ``dict(fraction=0.5)`` in the first half of the training.
            See :class:`Curriculum`. Defaults to None: no weights.
        feed (str | dict): What a boundary passes on in training:
            ``'student'``, the student's own map; ``'teacher'``, the
            teacher's; or a mixture that moves from the teacher's to the
            student's. See :class:`Curriculum`. Defaults to ``'student'``.
        local_phase (dict, optional): Length of the phase in which there are
            boundaries, with ``dict(fraction=0.5)`` the first half of the
            training. After it, the student is trained end to end, by its own
            losses and the ``distill_losses``. See :class:`Curriculum`.
            Defaults to None: the whole training.
        early_backward (bool): Whether to compute a module's gradients as
            soon as its loss is known, which frees the module's activations.
            The gradients are the same either way. A module keeps its
            activations if one of the stock ``distill_losses`` uses them, or
            if maps inside it are taught without a cut. Defaults to True.
        half_maps (bool): Whether the teacher's maps wait for their boundaries
            in bfloat16, which halves them in a float32 training. The losses
            then see them rounded. Not together with ``feed``. Defaults to
            False.
        project_maps (bool): Whether a map of the teacher's that is wider than
            the student's is projected to the student's width, by a
            :class:`MapProjection` that the first batch fixes. The connector
            then aligns equal widths, which :class:`LocalModuleConnector`
            needs no layer for. Defaults to False.
        kwargs: Arguments of :class:`FeatureDistiller`, such as
            ``distill_losses``, ``connectors`` and ``input_size``.

    Raises:
        SettingError: Before training, if an option is of a wrong type, if a
            module is unknown, duplicate, out of order, inside a checkpointed
            module or outputs no map, if information bypasses the boundaries,
            if the connector can't align two maps or ``feed`` can't mix them,
            or if a loss compares logits of unequal numbers of classes. In a
            step, if a boundary is not run, if a cut leaves a module or a
            stock loss without anything to learn, or if one of the student's
            own losses goes around a cut.

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
        local_modules: Optional[Union[List[Dict], Dict]] = None,
        num_modules: Optional[int] = None,
        isolate: bool = True,
        connector: Optional[Dict] = dict(type='LocalModuleConnector'),
        feature_loss: Optional[Dict] = dict(type='LocalFeatureLoss'),
        attention_loss: Optional[Dict] = dict(type='NDAMLoss'),
        classifier_loss: Optional[Dict] = None,
        progressive: Optional[Dict] = None,
        feed: Union[str, Dict] = 'student',
        local_phase: Optional[Dict] = None,
        early_backward: bool = True,
        half_maps: bool = False,
        project_maps: bool = False,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        # A dict of stages is expanded, and checked, when they are known.
        by_stages = isinstance(local_modules, dict) and not (
            set(local_modules) & set(NAMES)
        )
        if not by_stages or num_modules is not None:
            check_local_modules(local_modules, num_modules)
        self.local_modules = local_modules
        self.num_modules = num_modules
        self.defaults: Dict[str, Any] = dict(
            isolate=isolate,
            connector=connector,
            feature_loss=feature_loss,
            attention_loss=attention_loss,
            classifier_loss=classifier_loss,
            project_maps=project_maps,
        )
        check_options(
            'LAKDDistiller',
            dict(
                self.defaults,
                early_backward=early_backward,
                half_maps=half_maps,
            ),
        )
        check_number_of_cuts(num_modules, isolate)
        self.curriculum = Curriculum(progressive, feed, local_phase)
        self.early_backward = early_backward
        self.half_maps = half_maps
        if half_maps and self.curriculum.feeds:
            raise SettingError(
                f'LAKDDistiller has half_maps=True and feed={feed!r}, which '
                f"would pass rounded maps on; write feed='student', or leave "
                f'half_maps out.'
            )
        self.teachings = nn.ModuleList()
        # The modules followed by a boundary.
        self._names: List[str] = []
        # The current step; forward passes of the student outside of one
        # belong to no training loss.
        self._step: Optional[StudentStep] = None
        # Whether no step has reached the student's losses yet.
        self._first = True
        # Whether an algorithm of MMRazor has stopped asking for losses.
        self._stopped = False

    def prepare_from_teacher(self, model: nn.Module) -> None:
        """Set the boundaries, and build each module's connector and losses."""
        student = self._student[0]
        self._expand_stages(student, model)
        entries = choose_entries(
            self.local_modules,
            self.num_modules,
            student,
            model,
            self.input_size,
        )
        self.local_modules = [{**self.defaults, **entry} for entry in entries]
        names = [entry['student'] for entry in self.local_modules]
        self._names = names
        # After the partition, which measures what autograd saves.
        renew_checkpoints(student)
        check_inside(student, names)
        shapes, classes = check_models(
            student,
            model,
            self.local_modules,
            self.input_size,
            self.curriculum.feeds,
        )
        self.teachings = build_teachings(
            entries,
            self.defaults,
            shapes,
            classes,
            self.input_size,
            self.curriculum,
            self.half_maps,
        )
        for teaching in self.teachings:
            teaching.add_recorders(self.teacher_recorders, model)
        super().prepare_from_teacher(model)
        # After the recorders' hooks, which must see the map with its graph.
        for index, module in enumerate(
            find_modules(student, names, 'student')
        ):
            module.register_forward_hook(partial(self._at_boundary, index))
        student.register_forward_pre_hook(self._before_student)
        student.register_forward_hook(self._after_student)
        if self.local_modules and self.num_modules is None:
            print_log(
                describe_modules(self.local_modules, shapes), logger='current'
            )

    def _needs_dry_run(self) -> bool:
        """Check whether the models must be run on an image first."""
        return True

    @contextmanager
    def student_step(self) -> Iterator[Optional[StudentStep]]:
        """Teach the local modules of the student, which is run inside.

        :meth:`compute_distill_losses` must be called inside as well. What the
        step holds is released on exit, even after an error.
        """
        self.set_deliveries_override(True)
        try:
            yield self._step
        finally:
            self._end_step()

    def set_deliveries_override(self, override: bool) -> None:
        """Begin a step if it is the student's turn.

        MMRazor calls this before each forward. This way its own algorithms,
        which don't know :meth:`student_step`, begin a step that
        :meth:`compute_distill_losses` ends. Once their distillation is stopped
        (``StopDistillHook``), they run the student but don't ask for the
        losses: from then on the student must not be cut.
        """
        super().set_deliveries_override(override)
        if override and not self._stopped:
            self._step = StudentStep(
                self._names, self.student_recorders, self._first
            )
        elif not override and self._step is not None:
            self._stopped = True
            self._end_step()

    def _current_step(self) -> Optional[StudentStep]:
        """Return the current step; None in evaluation."""
        return self._step if self.training else None

    def _at_boundary(
        self, index: int, module: nn.Module, inputs, output: Any
    ) -> Any:
        """Compute a module's loss, and return the output to pass on."""
        step = self._current_step()
        if step is None:
            # Tried before the first step.
            if self._first and self.training and self.teachings:
                tensor = map_tensor(output)
                if tensor is not None and tensor.dim() == 4:
                    self.teachings[index].note_output(tensor)
            return None
        step.arrive(index, module)
        name = f'module{index + 1}'
        teaching = self.teachings[index]
        tensor = map_tensor(output)
        is_local = self.curriculum.is_local()
        if self.curriculum.has_phases:
            step.log('local_phase', float(is_local), tensor.device)
        if not is_local:
            teaching.release(self.teacher_recorders)
            idle = idle_loss(teaching)
            if idle is not None:
                step.losses[f'{name}.loss'] = idle
            return None
        with record_function(f'lakd/{name}.loss'):
            loss = self._module_loss(index, output, step)
        if loss is not None:
            step.pending += 1
            if step.first:
                warn_if_frozen(index, self._names[index], tensor)
        if self.local_modules[index]['isolate']:
            observed = step.is_observed()
            if tensor.requires_grad and not (step.pending or observed):
                raise SettingError(
                    f'local_modules[{index}] is cut off and nothing teaches '
                    f'it; give it a loss, or write isolate=False.'
                )
            # No stock loss and no other local loss needs the module's graph.
            alone = not observed and step.pending == 1 and loss is not None
            if self.early_backward and alone and loss.requires_grad:
                with record_function(f'lakd/{name}.backward'):
                    loss = teaching.early_backward(loss)
            step.pending = 0
            if tensor.requires_grad:
                step.note_cut(index, tensor)
            tensor = tensor.detach()
        if loss is not None:
            step.losses[f'{name}.loss'] = loss
        if self.curriculum.feeds:
            share = self.curriculum.share()
            step.log('student_share', share, tensor.device)
            tensor = teaching.pass_on(tensor, self.teacher_recorders, share)
        if self.local_modules[index]['isolate']:
            step.note_map(tensor)
        return with_tensor(output, tensor)

    def _before_student(self, student: nn.Module, inputs) -> None:
        """Begin the step; in the first one, renew checkpoints again."""
        step = self._current_step()
        if step is None:
            return
        step.begin(inputs)
        if step.first:
            # MMEngine applies activation_checkpointing after the build.
            renew_checkpoints(student)
            check_inside(student, step.names)

    def _after_student(self, student: nn.Module, inputs, losses: Any) -> None:
        """In the first step, check that no student loss goes around a cut."""
        step = self._current_step()
        if step is not None and step.first and isinstance(losses, dict):
            step.check_losses(losses)
            self._first = step.first

    def _module_loss(
        self, index: int, output: Any, step: StudentStep
    ) -> Optional[torch.Tensor]:
        """Compute the weighted sum of a module's losses, and log each."""
        name = f'module{index + 1}'
        values = self.teachings[index](
            output, self.teacher_recorders, step.image_size
        )
        for kind, value in values.items():
            # Without 'loss' in its name, MMEngine only logs it.
            step.losses[f'{name}.{kind}'] = value.detach()
        loss = sum(values.values()) if values else None
        weight = self.curriculum.weight(index, len(self.teachings))
        if loss is not None and weight is not None:
            step.log(f'{name}.open', weight, loss.device)
            loss = weight * loss
        return loss

    def compute_distill_losses(self) -> Dict[str, torch.Tensor]:
        """Return the stock losses and those of the local modules.

        ``module1.loss`` is what module 1 minimises; ``module1.feature``,
        ``module1.attention`` and ``module1.classifier``, of which it is the
        sum, are only logged. So are ``module1.open``, the weight of the sum
        in a progressive opening, ``student_share``, if the maps are mixed,
        and ``local_phase``, 1 until it ends.
        """
        # Asking for losses means that distillation has not been stopped: a
        # forward pass that ended in an error merely looked like it.
        self._stopped = False
        step = self._current_step()
        local_losses = {} if step is None else step.losses
        if step is not None:
            step.check_reached()
            step.check_records(list(self.student_records()))
        losses = {**super().compute_distill_losses(), **local_losses}
        self._end_step()
        return losses

    def _end_step(self) -> None:
        """Release the step's losses and maps."""
        self._step = None
        release_records(self)
