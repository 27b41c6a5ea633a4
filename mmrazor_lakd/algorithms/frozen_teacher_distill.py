"""Distillation from a teacher that stays as it is."""

from typing import Optional

from mmrazor.models.algorithms import SingleTeacherDistill
from mmrazor.registry import MODELS

from .checkpoint import load_teacher


@MODELS.register_module()
class FrozenTeacherDistill(SingleTeacherDistill):
    """A :class:`SingleTeacherDistill` whose teacher is wholly frozen.

    It differs from MMRazor's in two things. The whole teacher is in eval
    mode, not its batch normalisation alone (dropout and drop-path would
    distort the maps). And its checkpoint must fit exactly: a missing key is
    an error there, while MMRazor only warns and goes on with random weights.

    The checkpoint is loaded when the Runner initialises the weights, as with
    MMEngine's ``init_cfg=dict(type='Pretrained')``: testing a student needs
    no teacher's file. Whoever trains in a loop of their own calls
    ``model.init_weights()`` first, as everywhere in MMEngine.

    Args:
        teacher_ckpt (str, optional): Checkpoint of the teacher, or of a
            training in which the teacher was the student. Defaults to None:
            random weights.
        kwargs: Arguments of :class:`SingleTeacherDistill`.
    """

    def __init__(
        self, *args, teacher_ckpt: Optional[str] = None, **kwargs
    ) -> None:
        super().__init__(*args, **kwargs)
        self.teacher_ckpt = teacher_ckpt

    def init_weights(self) -> None:
        """Initialise the student, and load the teacher.

        Raises:
            SettingError: If the teacher's checkpoint is missing, truncated or
                of another architecture.
        """
        super().init_weights()
        if self.teacher_ckpt:
            load_teacher(self.teacher, self.teacher_ckpt)

    def train(self, mode: bool = True) -> None:
        """Set the mode of everything but the teacher."""
        super().train(mode)
        self.teacher.eval()
