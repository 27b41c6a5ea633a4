"""Distillation from a teacher that stays as it is."""

import logging
from typing import Dict, List, Optional, Union

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModel
from mmengine.runner.amp import autocast
from mmengine.structures import BaseDataElement
from mmrazor.models.algorithms import SingleTeacherDistill
from mmrazor.models.utils import add_prefix
from mmrazor.registry import MODELS
from torch import nn
from torch.backends import cudnn
from torch.profiler import record_function

from ..distillers.records import make_contiguous, release_records, tensors_in
from ..errors import SettingError, check_choice
from .checkpoint import TEACHER_PREFIX, fit_weights, load_teacher
from .lighten import lighten, memory_format


@MODELS.register_module()
class FrozenTeacherDistill(SingleTeacherDistill):
    """A :class:`SingleTeacherDistill` whose teacher is wholly frozen.

    It gives the same losses as MMRazor's, from the same configs, and differs
    in what it spends on the teacher:

    - The whole teacher is in eval mode, not its batch normalisation alone
      (dropout and drop-path would distort the maps).
    - Its batch normalisation is folded into its convolutions at the first
      training step, its activations are computed in place where nobody needs
      their input, on a CPU it computes channels last, and no loss is computed
      for it.
    - It is no submodule: its weights are neither in the checkpoints, nor
      with the optimizer, nor with DistributedDataParallel. They move with
      the model from device to device all the same. A checkpoint of MMRazor's
      that holds a teacher can still be loaded.
    - Its checkpoint must fit exactly: a missing key is an error there, while
      MMRazor only warns and goes on with random weights.
    - A data preprocessor without a type, as mmpretrain's configs have it, is
      of the student's type, where MMRazor's refuses it.

    The teacher's checkpoint is loaded when the Runner initialises the
    weights, as with MMEngine's ``init_cfg=dict(type='Pretrained')``: testing
    a student needs no teacher's file. Whoever trains in a loop of their own
    calls ``model.init_weights()`` first, as everywhere in MMEngine.

    Args:
        architecture (BaseModel | dict): The student.
        data_preprocessor (nn.Module | dict, optional): What prepares the
            images of both networks. Defaults to None: the student's.
        teacher_ckpt (str, optional): Checkpoint of the teacher, or of a
            training in which the teacher was the student. Defaults to None:
            random weights.
        teacher_mode (str): ``'tensor'`` runs the teacher without its loss;
            ``'loss'`` with it, for recorders of something that happens there.
            Defaults to ``'tensor'``.
        lighten_teacher (bool): Whether to fold the teacher's batch
            normalisation, to activate in place, and to compute channels last
            on a CPU. Defaults to True.
        kwargs: Arguments of :class:`SingleTeacherDistill`.

    Raises:
        SettingError: If the teacher is said to be trainable.
    """

    def __init__(
        self,
        *args,
        architecture: Union[BaseModel, Dict],
        data_preprocessor: Union[nn.Module, Dict, None] = None,
        teacher_ckpt: Optional[str] = None,
        teacher_mode: str = 'tensor',
        lighten_teacher: bool = True,
        **kwargs,
    ) -> None:
        owner = type(self).__name__
        check_choice(owner, 'teacher_mode', teacher_mode, ('tensor', 'loss'))
        if isinstance(architecture, dict):
            architecture = MODELS.build(architecture)
        if isinstance(data_preprocessor, dict):
            own = type(getattr(architecture, 'data_preprocessor', None))
            data_preprocessor = {'type': own, **data_preprocessor}
        super().__init__(
            *args,
            architecture=architecture,
            data_preprocessor=data_preprocessor,
            **kwargs,
        )
        if self.teacher_trainable:
            raise SettingError(
                f'{owner} has a frozen teacher, but teacher_trainable=True; '
                f"write type='SingleTeacherDistill' to train it."
            )
        self.teacher_ckpt = teacher_ckpt
        self.teacher_mode = teacher_mode
        self.lighten_teacher = lighten_teacher
        self._lightened = False
        # Whether the teacher's maps lie otherwise than the student's.
        self._reordered = False
        # An attribute, but not a submodule.
        self.__dict__['teacher'] = self._modules.pop('teacher')
        self.teacher.eval()
        self._register_load_state_dict_pre_hook(self._take_teacher)

    def init_weights(self) -> None:
        """Initialise the student, and initialise or load the teacher.

        Raises:
            SettingError: If the teacher's checkpoint is missing, truncated or
                of another architecture.
        """
        super().init_weights()
        if self.teacher_ckpt:
            load_teacher(self.teacher, self.teacher_ckpt)
        else:
            self.teacher.init_weights()
            print_log(
                'teacher_ckpt is not given: unless its own init_cfg loads '
                'some, the weights of the teacher are random.',
                logger='current',
                level=logging.WARNING,
            )

    def _apply(self, fn, *args, **kwargs) -> nn.Module:
        """Move the teacher with the rest: to a device, a type, a layout."""
        self.teacher._apply(fn, *args, **kwargs)
        return super()._apply(fn, *args, **kwargs)

    def _take_teacher(self, state_dict: Dict, prefix: str, *args) -> None:
        """Take the teacher out of a checkpoint that has one.

        Its weights are used where the config names no teacher, such as where
        MMRazor's own training is resumed. The student's may also be those of
        a plain training.
        """
        start = prefix + TEACHER_PREFIX
        keys = [key for key in state_dict if key.startswith(start)]
        weights = {key[len(start) :]: state_dict.pop(key) for key in keys}
        fit_weights(self, state_dict, 'The checkpoint', prefix)
        if weights and not (self.teacher_ckpt or self._lightened):
            self.teacher.load_state_dict(weights)

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
            return self._student_losses(batch_inputs, data_samples)
        if self.lighten_teacher and not self._lightened:
            self._lighten_teacher(batch_inputs[:2])
        self.distiller.set_deliveries_override(False)
        with torch.no_grad(), self.distiller.deliveries:
            self._run_teacher(batch_inputs, data_samples)
        self.distiller.set_deliveries_override(True)
        with self.distiller.student_recorders, self.distiller.deliveries:
            losses = self._student_losses(batch_inputs, data_samples)
        distill_losses = self.distiller.compute_distill_losses()
        losses.update(add_prefix(distill_losses, 'distill'))
        release_records(self.distiller)
        return losses

    def _run_teacher(self, batch_inputs, data_samples) -> None:
        """Fill the teacher's recorders."""
        with self.distiller.teacher_recorders:
            self.teacher(batch_inputs, data_samples, mode=self.teacher_mode)
        if self._reordered:
            with record_function('lakd/teacher'):
                make_contiguous(self.distiller.teacher_recorders)

    def _student_losses(self, batch_inputs, data_samples) -> Dict:
        """Run the student; its losses may be wanted or not."""
        wanted = self.calculate_student_loss or self.student_trainable
        with torch.set_grad_enabled(wanted):
            losses = self.student(batch_inputs, data_samples, mode='loss')
        if not self.calculate_student_loss:
            return {}
        return add_prefix(losses, 'student')

    @torch.no_grad()
    def _lighten_teacher(self, images: torch.Tensor) -> None:
        """Make the teacher's forward pass cheaper, once."""
        self._lightened = True
        if images.device.type == 'cpu':
            # PyTorch's convolutions on CPUs are faster then; on a GPU it
            # depends, and is the user's choice. Losses expect maps of one
            # layout.
            self._reordered = memory_format(self) != torch.channels_last
            self.teacher.to(memory_format=torch.channels_last)
        recorders = self.distiller.teacher_recorders

        def forward() -> List[torch.Tensor]:
            with recorders:
                output = self.teacher(images, mode='tensor')
            found = [output]
            for recorder in recorders.recorders.values():
                found += recorder.data_buffer
            return tensors_in(found)

        # Rounding to half precision, or to TF32, would hide what the
        # comparison is for.
        exact = cudnn.flags(enabled=cudnn.enabled, allow_tf32=False)
        with exact, autocast(enabled=False):
            folded, in_place = lighten(self.teacher, forward)
        print_log(
            f"Folded {folded} of the teacher's batch normalisations into its "
            f'convolutions, and made {in_place} of its activations in place.',
            logger='current',
        )

    def train(self, mode: bool = True) -> nn.Module:
        """Set the mode of everything but the teacher."""
        super().train(mode)
        self.teacher.eval()
        return self  # as PyTorch's; MMRazor's gives None
