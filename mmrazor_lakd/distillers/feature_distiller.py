"""A distiller that infers the shapes of its connectors."""

from typing import (
    Any,
    Dict,
    Iterator,
    List,
    Optional,
    Sequence,
    Union,
)

import torch
from mmengine.logging import print_log
from mmrazor.models.distillers import ConfigurableDistiller
from mmrazor.models.task_modules import ParameterRecorder, RecorderManager
from mmrazor.registry import MODELS
from torch import nn

from ..errors import SettingError, nearest
from ..tracing.dry_run import find_pass
from ..tracing.modules import eval_mode
from ..tracing.passes import run_model
from ..tracing.recorders import check_recorders, recorded_modules
from ..tracing.records import release_records
from .activation_checkpointing import renew_checkpoints
from .builders import Shape, fill_in, shape_arguments
from .class_counts import check_class_counts
from .named_stages import (
    PARTS,
    describe_expansion,
    expand_stages,
    read_stages,
)
from .stage_maps import stages_of_both
from .student_step import TakenRecord


@MODELS.register_module()
class FeatureDistiller(ConfigurableDistiller):
    """A :class:`ConfigurableDistiller` for losses between feature maps.

    It takes the same configs as MMRazor's, and adds four features:

    - Shapes are inferred. Before training, each model is run on one image. A
      connector whose class takes ``in_channels`` and ``out_channels``
      (``in_channel`` and ``out_channel``, ``in_shape`` and ``out_shape``, or
      ``in_shapes`` and ``out_shapes``) is built with those of its input map
      and of the other model's map in the same loss. ``dim_in`` is the width
      of its input. Values in the config take precedence.
    - ``recorder`` in ``loss_forward_mappings`` may be a list: the connector
      or the loss gets a list of maps.
    - A connector's ``prepare_from_teacher``, if any, is called with the
      teacher.
    - ``stages`` stands for the recorders and mappings of the stages that both
      networks declare, see below. It is expanded, and logged, once the
      networks are known.

    Source: ours.

    Args:
        connectors (dict, optional): As in MMRazor.
        input_size (int | tuple, optional): Height and width of the image.
            Defaults to None: the backbone's ``img_size``, or 32, or 224 for
            models that can't take 32.
        stages (str | dict, optional): The maps of each stage that the losses
            compare: ``'preact'``, before the last ReLU, or ``'output'``, what
            the literature regards as a stage's output. Losses without a
            mapping get one copy per stage, ``loss_at1``, ``loss_at2``, ...,
            called with ``s_feature`` and ``t_feature``. A dict has the keys

            - ``maps``, or ``student`` and ``teacher``: Either of the two.
            - ``first`` and ``last`` (int): The stages to use, counted from
              1, or from the last, -1. Default to all.
            - ``connector`` and ``teacher_connector`` (str): Names of the
              ``connectors`` that the student's and the teacher's maps go
              through, one copy per stage.
            - ``decay`` (float): Factor of the ``loss_weight`` of a loss, or
              of the one that it wraps, from each stage to the one before it.
              Defaults to 1.
            - ``together`` (bool): Whether one loss takes the maps of all
              stages as lists, ``s_features`` and ``t_features``.
            - ``pooled`` (bool): Whether ``neck.gap`` is one more stage.
        kwargs: Arguments of :class:`ConfigurableDistiller`.

    Raises:
        SettingError: If a recorder names a module, or a mapping a recorder,
            that doesn't exist, if a loss has no mapping or compares unequal
            numbers of classes, if a connector gets no map, if
            ``input_size`` is not a size, or if ``stages`` is unknown, has no
            loss, or a backbone declares none.

    Examples:
        >>> distiller = dict(
        ...     type='FeatureDistiller',
        ...     stages='output',
        ...     distill_losses=dict(
        ...         loss_at=dict(
        ...             type='AttentionTransferLoss', loss_weight=1000.0
        ...         )
        ...     ),
        ... )
        >>> distiller = dict(
        ...     type='FeatureDistiller',
        ...     student_recorders=dict(
        ...         hint=dict(type='ModuleOutputs', source='backbone.layer2')
        ...     ),
        ...     teacher_recorders=dict(
        ...         hint=dict(type='ModuleOutputs', source='backbone.layer2')
        ...     ),
        ...     connectors=dict(regressor=dict(type='HintConnector')),
        ...     distill_losses=dict(
        ...         loss_hint=dict(
        ...             type='LocalFeatureLoss',
        ...             normalize='none',
        ...             loss_weight=100.0,
        ...         )
        ...     ),
        ...     loss_forward_mappings=dict(
        ...         loss_hint=dict(
        ...             s_feature=dict(
        ...                 recorder='hint',
        ...                 from_student=True,
        ...                 connector='regressor',
        ...             ),
        ...             t_feature=dict(recorder='hint', from_student=False),
        ...         )
        ...     ),
        ... )
    """

    def __init__(
        self,
        *args,
        input_size: Optional[Union[int, Sequence[int]]] = None,
        stages: Optional[Union[str, Dict[str, Any]]] = None,
        **kwargs,
    ) -> None:
        # What is built once the networks are known.
        self._unexpanded: Dict[str, Any] = {}
        if stages is not None:
            read_stages(stages)
            given = {n: kwargs.pop(n) for n in PARTS if n in kwargs}
            self._unexpanded = dict(given, stages=stages)
        super().__init__(*args, **kwargs)
        self._check_mappings()
        sides = [input_size] * 2 if type(input_size) is int else input_size
        if input_size is not None and not (
            isinstance(sides, (list, tuple))
            and len(sides) == 2
            and all(type(side) is int and side > 0 for side in sides)
        ):
            raise SettingError(
                f'{type(self).__name__} has input_size={input_size!r}; write '
                f"the images' side in pixels, 224, or height and width, "
                f'(320, 640).'
            )
        self.input_size = input_size
        # Holds the student between the two calls that prepare the distiller.
        self._student: List[nn.Module] = []

    def _check_mappings(self) -> None:
        """Raise if a loss has no mapping."""
        for name in self.distill_losses:
            if name not in self.loss_forward_mappings:
                raise SettingError(
                    f"distill_losses: '{name}' has no entry in "
                    f'loss_forward_mappings, so that it would never be '
                    f'computed; say there which records it takes.'
                )

    def _expand_stages(self, student: nn.Module, teacher: nn.Module) -> None:
        """Expand ``stages``, if given, and build what it stands for."""
        if not self._unexpanded:
            return
        expanded = expand_stages(
            self._unexpanded, *stages_of_both(student, teacher)
        )
        self._unexpanded = {}
        print_log(describe_expansion(expanded), logger='current')
        recorders = [
            RecorderManager(expanded[f'{role}_recorders'])
            for role in ('student', 'teacher')
        ]
        self.student_recorders, self.teacher_recorders = recorders
        losses = expanded['distill_losses']
        self.distill_losses = self.build_distill_losses(losses)
        self.connectors = self.build_connectors(expanded.get('connectors'))
        mappings = expanded['loss_forward_mappings']
        self._check_loss_forward_mappings(
            self.distill_losses, mappings, *recorders
        )
        self.loss_forward_mappings = mappings
        self._check_mappings()
        self.prepare_from_student(student)

    def build_connectors(
        self, connectors: Optional[Dict[str, Any]] = None
    ) -> nn.ModuleDict:
        """Store the connectors' configs until the models' maps are known."""
        self._connector_cfgs = connectors or {}
        return nn.ModuleDict(
            {name: nn.Identity() for name in self._connector_cfgs}
        )

    def _check_loss_forward_mappings(
        self,
        losses: nn.ModuleDict,
        loss_forward_mappings: Dict[str, Dict],
        student_recorders: RecorderManager,
        teacher_recorders: RecorderManager,
    ) -> None:
        """Check the names in lists, and let MMRazor check the rest."""
        checked: Dict[str, Dict] = {}
        for loss, mapping in loss_forward_mappings.items():
            checked[loss] = {}
            for key, record in mapping.items():
                record = dict(record)
                names = record.get('recorder')
                if isinstance(names, (list, tuple)):
                    student = record.get('from_student')
                    manager = (
                        student_recorders if student else teacher_recorders
                    )
                    self._check_names(f'{loss}.{key}', names, manager)
                    record['recorder'] = names[0]
                checked[loss][key] = record
        super()._check_loss_forward_mappings(
            losses, checked, student_recorders, teacher_recorders
        )

    @staticmethod
    def _check_names(
        where: str, names: Sequence[str], manager: RecorderManager
    ) -> None:
        """Raise if a list is empty or has an unknown recorder."""
        unknown = [name for name in names if name not in manager.recorders]
        if unknown or not names:
            name = str(unknown[0]) if unknown else ''
            raise SettingError(
                f"loss_forward_mappings: {where} has no recorder '{name}'; "
                f'the nearest are: {nearest(name, manager.recorders)}.'
            )

    def get_record(
        self,
        recorder: Union[str, Sequence[str]],
        from_student: bool,
        record_idx: int = 0,
        data_idx: Optional[int] = None,
        connector: Optional[str] = None,
        connector_idx: Optional[int] = None,
    ) -> Any:
        """Get the record of a recorder, or of each in a list."""
        where = (from_student, record_idx, data_idx)
        if isinstance(recorder, str):
            return super().get_record(
                recorder, *where, connector, connector_idx
            )
        data = [
            super(FeatureDistiller, self).get_record(name, *where)
            for name in recorder
        ]
        if connector:
            data = self.connectors[connector](data)
        return data if connector_idx is None else data[connector_idx]

    def student_records(self) -> Iterator[TakenRecord]:
        """Yield the student's records that the stock losses use."""
        for loss, mapping in self.loss_forward_mappings.items():
            for record in mapping.values():
                if not record['from_student']:
                    continue
                names = record['recorder']
                for name in [names] if isinstance(names, str) else names:
                    recorder = self.student_recorders.get_recorder(name)
                    number = record.get('record_idx', 0)
                    yield TakenRecord(
                        loss=loss,
                        recorder=recorder,
                        whole=recorder.get_record_data(number),
                        part=recorder.get_record_data(
                            number, record.get('data_idx')
                        ),
                    )

    def prepare_from_student(self, model: nn.Module) -> None:
        """Store the student; called before :meth:`prepare_from_teacher`."""
        self._student = [model]
        if not self._unexpanded:  # expansion needs both networks
            check_recorders(self, model, 'student')
            super().prepare_from_student(model)

    def prepare_from_teacher(self, model: nn.Module) -> None:
        """Run both models once and build the connectors."""
        self._expand_stages(self._student[0], model)
        check_recorders(self, model, 'teacher')
        super().prepare_from_teacher(model)
        student = self._student.pop()
        # Records inside the older kind of checkpoints would have no graph.
        renew_checkpoints(student)
        if not self._needs_dry_run():
            return
        self._run(student, self.student_recorders, 'student')
        image = self._run(model, self.teacher_recorders, 'teacher')
        check_class_counts(self)
        built = set()
        for mapping in self.loss_forward_mappings.values():
            for record in mapping.values():
                name = record.get('connector')
                if name is None or name in built:
                    continue
                self.connectors[name] = self._build(name, record, mapping)
                built.add(name)
                self._show_teacher(name, record, model, image)
        release_records(self)

    def _needs_dry_run(self) -> bool:
        """Check whether the models must be run on an image first."""
        return bool(self._connector_cfgs)

    def _run(
        self, model: nn.Module, recorders: RecorderManager, role: str
    ) -> torch.Tensor:
        """Fill a model's recorders with one black image, and return it."""
        image, part = find_pass(
            model, role, self.input_size, recorded_modules(recorders)
        )
        with eval_mode(model), torch.no_grad(), recorders:
            run_model(model, image, part)
        return image

    def _build(self, name: str, record: Dict, mapping: Dict) -> nn.Module:
        """Build a connector with the shapes that its class asks for."""
        cfg = self._connector_cfgs[name]
        if isinstance(cfg, dict):
            others = [
                other
                for other in mapping.values()
                if other['from_student'] != record['from_student']
                and not self._is_parameter(other)
            ]
            shape = self._shape(record)
            # MMRazor's name for the length of a vector. The input is known
            # even if it is unclear what the output is compared with.
            arguments = dict(dim_in=shape[0])
            if len(others) == 1:
                arguments.update(
                    shape_arguments(shape, self._shape(others[0]))
                )
            cfg = {'_scope_': 'mmrazor', **fill_in(cfg, **arguments)}
        return super().build_connectors({name: cfg})[name]

    def _is_parameter(self, record: Dict) -> bool:
        """Check whether a mapping's entry is a weight, which is no map."""
        role = 'student' if record['from_student'] else 'teacher'
        recorders = getattr(self, f'{role}_recorders').recorders
        name = record['recorder']
        return isinstance(name, str) and isinstance(
            recorders[name], ParameterRecorder
        )

    def _shape(self, record: Dict) -> Union[Shape, List[Shape]]:
        """Return the shape (C, H, W) of the record of a mapping's entry."""
        keys = ('recorder', 'from_student', 'record_idx', 'data_idx')
        role = 'student' if record['from_student'] else 'teacher'
        where = f"loss_forward_mappings: the {role}'s {record['recorder']!r}"
        try:
            data = self.get_record(
                **{k: record[k] for k in keys if k in record}
            )
        except (AssertionError, IndexError) as error:
            raise SettingError(
                f'{where} took nothing for a connector in a forward pass '
                f'without labels; record a module of the backbone or the '
                f'neck.'
            ) from error
        listed = isinstance(record['recorder'], (list, tuple))
        for item in data if listed else [data]:
            if not isinstance(item, torch.Tensor):
                raise SettingError(
                    f'{where} gives a {type(item).__name__} where a '
                    f'connector takes a tensor; add data_idx=0 for its first '
                    f'one, or record a module that gives one.'
                )
        if listed:
            return [tuple(item.shape[1:]) for item in data]
        return tuple(data.shape[1:])

    def _show_teacher(
        self, name: str, record: Dict, model: nn.Module, image: torch.Tensor
    ) -> None:
        """Call ``prepare_from_teacher`` of a connector of teacher maps."""
        prepare = getattr(self.connectors[name], 'prepare_from_teacher', None)
        if prepare is None or record['from_student']:
            return
        recorder = self.teacher_recorders.get_recorder(record['recorder'])
        with eval_mode(model):
            prepare(model, recorder.source, image)
