"""Distillation from a frozen teacher."""

from contextlib import nullcontext
from typing import ContextManager, Dict, List, Optional, Sequence, Tuple, Union

import torch
from mmengine.model import BaseModel
from mmengine.structures import BaseDataElement
from mmrazor.models.algorithms import SingleTeacherDistill
from mmrazor.models.utils import add_prefix
from mmrazor.registry import MODELS
from torch import nn

from ..checkpoints.loading import (
    STUDENT_PREFIX,
    TEACHER_PREFIX,
    fit_weights,
)
from ..checkpoints.model_configs import warn_of_other_images
from ..config_check.compiled import REFUSAL
from ..distillers.class_counts import check_class_counts
from ..distillers.idle_parameters import idle_loss
from ..errors import SettingError, check_choice
from ..tracing.passes import kept_buffers
from ..tracing.recorders import check_recorders
from ..tracing.records import (
    check_counts_of_records,
    check_unchanged,
    recording,
    release_records,
)
from .build_networks import build_networks
from .checks import check_algorithm
from .first_step import check_teacher_maps, synchronise, synchronised
from .student_preparation import StudentPreparation
from .teacher_ensemble import init_teachers, teachers_in
from .teacher_pass import TeacherPass


@MODELS.register_module()
class FrozenTeacherDistill(SingleTeacherDistill):
    """A :class:`SingleTeacherDistill` whose teacher is entirely frozen.

    It computes the same losses as MMRazor's, from the same configs, and
    differs mainly in what it spends on the teacher:

    - The whole teacher is in eval mode, not just its batch normalisation
      (dropout and drop-path would distort the maps).
    - At the first training step its batch normalisation is folded into its
      convolutions. Activations whose input is not needed run in place, on a
      CPU it computes channels last, and its loss is not computed.
    - It is not a submodule: its weights are neither saved in checkpoints, nor
      passed to the optimizer or to DistributedDataParallel. They still move
      with the model from device to device. A checkpoint of MMRazor's that
      contains a teacher can still be loaded, by ``load_from``; a training of
      MMRazor's can't be resumed, since its optimizer has the teacher's.
    - If only maps of its backbone or neck are recorded, its head isn't run.
    - Its checkpoint must fit exactly: a missing key is an error, while
      MMRazor only warns and continues with random weights.
    - A data preprocessor without a type, as in mmpretrain's configs, is of
      the student's type, while MMRazor's raises. It takes over the student's
      ``train_cfg.augments`` (Mixup, CutMix).
    - ``architecture`` and ``teacher`` may also be ``dict(cfg_path=...)`` with
      the user's own config file, and keys beside ``cfg_path`` change the
      network.
    - A record that is overwritten before a loss uses it is an error.
    - A student's :class:`~mmrazor_lakd.heads.SimKDHead` gets the teacher's
      classifier.

    The teacher's checkpoint is loaded when the Runner initialises the
    weights, as with MMEngine's ``init_cfg=dict(type='Pretrained')``: testing
    a student doesn't need the teacher's file. In your own training loop, call
    ``model.init_weights()`` first, as usual in MMEngine.

    Args:
        architecture (BaseModel | dict): The student.
        data_preprocessor (nn.Module | dict, optional): Preprocessor of the
            images of both networks. Defaults to None: the student's.
        teacher (BaseModel | dict | list): The teacher, or several, see
            :class:`TeacherEnsemble`, whose modules are then called
            ``teacher0.backbone.layer1`` and the like.
        teacher_ckpt (str | list, optional): Checkpoint of the teacher, or of
            a training in which the teacher was the student; a list for a
            list of teachers. Defaults to None: random weights.
        teacher_weights (list[float], optional): Weights of several teachers
            in the mean of their logits. Defaults to None: all alike.
        teacher_mode (str): ``'tensor'`` runs the teacher without its loss;
            ``'loss'`` with it, for recorders of what the loss computes.
            Defaults to ``'tensor'``.
        teacher_train_mode (bool): Whether the teacher is in train mode during
            training: batch normalisation uses the batch's statistics, as in
            the authors' code of OFD and ReviewKD, and dropout is active. Its
            weights and running statistics don't change, and nothing is
            folded. Defaults to False.
        fuse_teacher (bool): Whether to fold the teacher's batch
            normalisation, to run activations in place, and to compute
            channels last on a CPU. Defaults to True.
        teacher_chunks (int | str): In how many parts, one after the other, a
            batch goes through the teacher. Only the recorded maps are kept of
            each, so that the teacher takes the memory of one part, with the
            same maps. ``'auto'`` takes as many as keep the teacher from being
            the peak of a step, and on a CPU as make it fast; it takes one if
            something needs the whole batch: ``teacher_train_mode``,
            ``teacher_mode='loss'``, deliveries, or a record that two images
            alone and together don't agree in. Defaults to ``'auto'``.
        recompute (list[str]): What of the student is computed again in the
            backward pass in place of being kept: its ``'blocks'``, see
            :func:`find_blocks`, of which one is held at a time, and its
            ``'stem'``, see :mod:`mmrazor_lakd.distillers.stem`. The gradients
            and running statistics are the same; it costs the time of one more
            forward pass of them. Defaults to none.
        predict_teacher (bool): Whether predictions also contain the
            teacher's, as ``teacher_score``, (K,), for
            :class:`TeacherAgreement`. It costs the teacher's forward pass,
            and testing then needs its checkpoint. Defaults to False.
        kwargs: Arguments of :class:`SingleTeacherDistill`.

    Raises:
        SettingError: If ``teacher_trainable`` is True, if what is said of
            several teachers doesn't fit their number, if a setting of the
            networks' configs would have no effect, if the name of a
            distillation loss lacks "loss", or if one of its settings is out
            of range. In the first step, if a recorded map of the teacher is
            constant.
    """

    def __init__(
        self,
        *args,
        architecture: Union[BaseModel, Dict],
        teacher: Union[BaseModel, Dict, Sequence],
        data_preprocessor: Union[nn.Module, Dict, None] = None,
        teacher_ckpt: Union[str, Sequence[Optional[str]], None] = None,
        teacher_weights: Optional[Sequence[float]] = None,
        teacher_mode: str = 'tensor',
        teacher_train_mode: bool = False,
        fuse_teacher: bool = True,
        teacher_chunks: Union[int, str] = 'auto',
        recompute: Sequence[str] = (),
        predict_teacher: bool = False,
        **kwargs,
    ) -> None:
        owner = type(self).__name__
        check_choice(owner, 'teacher_mode', teacher_mode, ('tensor', 'loss'))
        for name, switch in (
            ('teacher_train_mode', teacher_train_mode),
            ('fuse_teacher', fuse_teacher),
            ('predict_teacher', predict_teacher),
        ):
            check_choice(owner, name, switch, (True, False))
        networks = build_networks(
            owner,
            architecture=architecture,
            teacher=teacher,
            data_preprocessor=data_preprocessor,
            teacher_ckpt=teacher_ckpt,
            teacher_weights=teacher_weights,
            teacher_mode=teacher_mode,
            distiller=kwargs.get('distiller'),
        )
        try:
            super().__init__(
                *args,
                architecture=networks.student,
                teacher=networks.teacher,
                data_preprocessor=networks.data_preprocessor,
                **kwargs,
            )
        except AssertionError:
            # MMRazor doesn't say which network lacks a recorder's module.
            if hasattr(self, 'teacher'):
                check_recorders(self.distiller, self.student, 'student')
                check_recorders(self.distiller, self.teacher, 'teacher')
            raise
        for one in teachers_in(self.teacher):
            warn_of_other_images(one, self.data_preprocessor)
        head = getattr(self.student, 'head', None)
        if hasattr(head, 'reuse_classifier'):
            head.reuse_classifier(self.teacher)
        check_algorithm(self, recompute)
        self.teacher_ckpt = teacher_ckpt
        self.teacher_mode = teacher_mode
        self.fuse_teacher = fuse_teacher
        self.teacher_train_mode = teacher_train_mode
        self._teacher_pass = TeacherPass(
            owner,
            self.teacher,
            self.distiller.teacher_recorders,
            with_loss=teacher_mode == 'loss',
            chunks=teacher_chunks,
            whole_batch=self._needs_whole_batch(),
        )
        self.predict_teacher = predict_teacher
        # Whether the teacher's weights have been initialised or loaded, and
        # whether they are those of the checkpoint that the student's are of.
        self._initialised = False
        self.has_taken_teacher = False
        # Whether the first step has begun.
        self._prepared = False
        # Whether its own config synchronises batch normalisation.
        self._is_synchronised = synchronised(self.student) is not None
        self._prepare_student = StudentPreparation(
            networks.in_place, recompute
        )
        # An attribute, but not a submodule.
        self.__dict__['teacher'] = self._modules.pop('teacher')
        self.teacher.train(teacher_train_mode)
        self._register_load_state_dict_pre_hook(self._take_teacher)

    def init_weights(self) -> None:
        """Initialise the student, and initialise or load the teacher.

        Raises:
            SettingError: If the teacher's checkpoint is missing, truncated or
                from another architecture, or a file of a loss can't be read.
        """
        super().init_weights()
        for module in self.distiller.modules():
            if hasattr(module, 'read_files'):  # a training's alone
                module.read_files()
        self._init_teacher()

    def _init_teacher(self) -> None:
        """Initialise or load the teacher."""
        self._initialised = True
        init_teachers(self.teacher, self.teacher_ckpt)

    def _apply(self, fn, *args, **kwargs) -> nn.Module:
        """Apply ``fn``, such as a move to a device, to the teacher as well."""
        self.teacher._apply(fn, *args, **kwargs)
        return super()._apply(fn, *args, **kwargs)

    def share_teacher(self, copied: 'FrozenTeacherDistill') -> None:
        """Let a copy of this model that never runs do without a teacher copy.

        MMEngine's averaged models are such copies: their weights are swapped
        into this model.

        Args:
            copied (FrozenTeacherDistill): The copy.
        """
        copied.__dict__['teacher'] = self.teacher
        copied._teacher_pass = self._teacher_pass

    def _take_teacher(self, state_dict: Dict, prefix: str, *args) -> None:
        """Remove the teacher's weights from a checkpoint that has some.

        They are loaded if the config names no teacher checkpoint, as when
        ``load_from`` is one of MMRazor's. The student's weights may also come
        from a plain training. A classifier that the student shares
        with the teacher stays the teacher's once there is one.
        """
        start = prefix + TEACHER_PREFIX
        keys = [key for key in state_dict if key.startswith(start)]
        weights = {key[len(start) :]: state_dict.pop(key) for key in keys}
        fit_weights(self, state_dict, 'The checkpoint', prefix)
        if weights and not (self.teacher_ckpt or self._prepared):
            self.teacher.load_state_dict(weights)
            self._initialised = self.has_taken_teacher = True
        head = getattr(self.student, 'head', None)
        if self._initialised and hasattr(head, 'keep_classifier'):
            head.keep_classifier(state_dict, f'{prefix}{STUDENT_PREFIX}head.')

    def loss(
        self,
        batch_inputs: torch.Tensor,
        data_samples: Optional[List[BaseDataElement]] = None,
    ) -> Dict[str, torch.Tensor]:
        """Compute the student's losses and those of the distillation.

        Args:
            batch_inputs (torch.Tensor): Preprocessed images, (N, C, H, W).
            data_samples (list, optional): Their labels.

        Returns:
            dict[str, torch.Tensor]: The student's own losses, named
            ``student.*``, and the distiller's, ``distill.*``.
        """
        if self.distillation_stopped:
            # also of a training that was resumed here
            self._prepare_student(self, batch_inputs, data_samples)
            losses = self._student_losses(batch_inputs, data_samples)
            idle = idle_loss(self.distiller)
            return losses if idle is None else {**losses, 'idle_loss': idle}
        first_step = not self._prepared
        if first_step:
            if not isinstance(batch_inputs, torch.Tensor):
                raise SettingError(
                    f'{type(self).__name__} takes one tensor of images, which '
                    f'student and teacher see, but the data preprocessor '
                    f'gives a {type(batch_inputs).__name__} (as several views '
                    f'for self-supervised learning); train on one view, or '
                    f'take such a network as the teacher alone.'
                )
            self._prepare(batch_inputs, data_samples)
        cuts = [e['student'] for e in self._boundaries() if e['isolate']]
        self._teacher_pass.choose_chunks(
            self.student, cuts, batch_inputs, data_samples
        )
        self.distiller.set_deliveries_override(False)
        statistics: ContextManager = nullcontext()
        if self.teacher_train_mode:
            # The batch's are used; the running ones don't change.
            statistics = kept_buffers(self.teacher)
        with torch.no_grad(), self.distiller.deliveries, statistics:
            self._teacher_pass(batch_inputs, data_samples)
        if first_step:
            check_teacher_maps(self.distiller.teacher_recorders)
        if hasattr(self.distiller, 'student_step'):
            step = self.distiller.student_step()
        else:  # MMRazor's distillers have no state per step
            step = nullcontext(self.distiller.set_deliveries_override(True))
        with step:
            with recording(self.distiller.student_recorders):
                with self.distiller.deliveries:
                    losses = self._student_losses(batch_inputs, data_samples)
            check_unchanged(self.distiller.student_recorders, 'student')
            if first_step:
                check_counts_of_records(self.distiller)
                check_class_counts(self.distiller)
            distill_losses = self.distiller.compute_distill_losses()
        losses.update(add_prefix(distill_losses, 'distill'))
        release_records(self.distiller)
        return losses

    def get_layer_depth(self, param_name: str) -> Tuple[int, int]:
        """Return the depth of a parameter, for layer-wise learning rates.

        The distiller's parameters, such as connectors, count as the head's.

        Args:
            param_name (str): Its name in this model.

        Returns:
            tuple[int, int]: Its depth and the number of depths.

        Raises:
            SettingError: If the student doesn't know its depths.
        """
        prefix = 'architecture.'
        try:
            if param_name.startswith(prefix):
                name = param_name[len(prefix) :]
                return self.student.get_layer_depth(name)
            count = self.student.get_layer_depth('head.')[1]
            return count - 1, count
        except (AttributeError, NotImplementedError) as error:
            raise SettingError(
                f'layer_decay_rate needs the depth of each parameter, which '
                f'the student does not know ({error}); take another '
                f'constructor of optim_wrapper.'
            ) from error

    def extract_feat(self, *args, **kwargs):
        """Return the student's features, as its own method does."""
        return self.student.extract_feat(*args, **kwargs)

    @property
    def bbox_head(self) -> nn.Module:
        """Head of a student that detects, which mmdet's hooks change.

        ``YOLOXModeSwitchHook`` adds a loss to it in the last epochs. A
        student without one has no such attribute, nor has this model.
        """
        return self.student.bbox_head

    @property
    def head(self) -> nn.Module:
        """Head of a student that classifies, which mmpretrain's hooks change.

        ``SwitchRecipeHook`` gives it another loss.
        """
        return self.student.head

    @torch.no_grad()
    def _predict(
        self,
        inputs: torch.Tensor,
        data_samples: Optional[List[BaseDataElement]] = None,
    ) -> List[BaseDataElement]:
        """Predict with the student, and the teacher if ``predict_teacher``."""
        predictions = super()._predict(inputs, data_samples)
        if self.predict_teacher:
            # A Runner doesn't initialise weights for testing.
            if not (self._initialised or self._prepared):
                self._init_teacher()
            taught = self.teacher(inputs, mode='predict')
            for own, other in zip(predictions, taught):
                own.teacher_score = other.pred_score
        return predictions

    def _needs_whole_batch(self) -> Optional[str]:
        """Name what is known to need the teacher's whole batch at once."""
        if self.teacher_train_mode:
            return 'teacher_train_mode=True'
        if self.teacher_mode == 'loss':
            return "teacher_mode='loss'"
        if self.distiller.deliveries.deliveries:
            return 'student_deliveries or teacher_deliveries of the distiller'
        return None

    def _boundaries(self) -> List[Dict]:
        """Return the local modules of a distiller that has some."""
        return getattr(self.distiller, 'local_modules', [])

    def _student_losses(self, batch_inputs, data_samples) -> Dict:
        """Run the student, and return its losses if they are calculated."""
        wanted = self.calculate_student_loss or self.student_trainable
        with torch.set_grad_enabled(wanted):
            losses = self.student(batch_inputs, data_samples, mode='loss')
        if not self.calculate_student_loss:
            return {}
        return add_prefix(losses, 'student')

    @torch.no_grad()
    def _prepare(
        self, images: torch.Tensor, data_samples: Optional[List]
    ) -> None:
        """Speed up both networks, once, without changing their maps."""
        # MMEngine's compile=... replaces this method by a compiled one.
        step = vars(self).get('train_step')
        if hasattr(step, '_torchdynamo_orig_callable'):
            raise SettingError(REFUSAL)
        self._prepared = True
        sync = synchronised(self.student)
        if self.teacher_train_mode and sync and not self._is_synchronised:
            synchronise(self.teacher, sync)
        self._prepare_student(self, images, data_samples)
        if self.fuse_teacher and not self.teacher_train_mode:
            samples = None if data_samples is None else data_samples[:2]
            self._teacher_pass.fuse(self, images[:2], samples)

    def train(self, mode: bool = True) -> nn.Module:
        """Set the mode; the teacher stays in eval by default."""
        super().train(mode)
        self.teacher.train(mode and self.teacher_train_mode)
        return self  # as PyTorch does; MMRazor's returns None
