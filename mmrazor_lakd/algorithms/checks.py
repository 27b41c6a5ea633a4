"""What a distillation from a frozen teacher refuses before it begins."""

from typing import Any

from mmengine.model import BaseModel
from mmrazor.models.algorithms import SingleTeacherDistill
from torch import nn

from ..errors import SettingError, check_number
from ..losses.checks import check_loss_names, check_losses

#: what of a student can be recomputed
PARTS = ('blocks', 'stem')


def check_algorithm(model: SingleTeacherDistill, recompute: Any) -> None:
    """Check the settings of an algorithm that MMRazor has built.

    Args:
        model (SingleTeacherDistill): With both networks and the distiller.
        recompute (list[str]): What of the student is computed again.

    Raises:
        SettingError: If one is wrong, or would have no effect.
    """
    owner = type(model).__name__
    losses = getattr(model.distiller, 'distill_losses', nn.ModuleDict())
    check_loss_names(losses)
    check_losses(losses)
    std = getattr(model.data_preprocessor, 'std', None)
    for value in () if std is None else std.flatten().tolist():
        check_number('data_preprocessor', 'std', value, above=0)
    if model.teacher_trainable:
        raise SettingError(
            f'{owner} has a frozen teacher, but teacher_trainable=True; '
            f"write type='SingleTeacherDistill' to train it."
        )
    if not model.teacher_norm_eval:
        raise SettingError(
            f'{owner} has teacher_norm_eval=False, which would have no '
            f'effect; write teacher_train_mode=True for a teacher in train '
            f'mode.'
        )
    if model.calculate_student_loss and not model.student_trainable:
        raise SettingError(
            f'{owner} has student_trainable=False, which has no effect on '
            f"the student's own loss; write calculate_student_loss=False as "
            f'well.'
        )
    check_own_step(model)
    if not isinstance(recompute, (list, tuple)) or any(
        part not in PARTS for part in recompute
    ):
        raise SettingError(
            f'{owner} has recompute={recompute!r}; write a list of what '
            f'the backward pass computes again, of {list(PARTS)}.'
        )
    if recompute:
        check_deliveries(model, 'recompute')


def check_own_step(model: SingleTeacherDistill) -> None:
    """Raise if a student has a training step of its own, which is never run.

    Args:
        model (SingleTeacherDistill): The algorithm, whose own is run.

    Raises:
        SettingError: If so, and the algorithm has no other one either.
    """
    for name in ('train_step', 'parse_losses'):
        usual = getattr(BaseModel, name)
        own = getattr(type(model.student), name, usual)
        if own is not usual and getattr(type(model), name) is usual:
            raise SettingError(
                f'The student, a {type(model.student).__name__}, defines its '
                f'own {name}, but distillation runs that of '
                f'{type(model).__name__}; write it in a subclass of that, or '
                f'take a student without one.'
            )


def check_deliveries(model: SingleTeacherDistill, setting: str) -> None:
    """Raise if something is delivered to a student that is recomputed.

    In the backward pass it is delivered no more: the student would draw
    another value, and its gradients would be those of another loss.

    Args:
        model (SingleTeacherDistill): The algorithm.
        setting (str): By which parts of the student are recomputed.

    Raises:
        SettingError: If so.
    """
    if model.distiller.deliveries.deliveries:
        raise SettingError(
            f'{type(model).__name__} has {setting}, so that parts of the '
            f'student run again in the backward pass, where the deliveries '
            f'of the distiller deliver no more; leave one of the two out.'
        )
