"""Check that losses which compare logits get equal numbers of classes."""

from inspect import signature
from typing import Any, Dict, List, Optional

import torch
from mmrazor.models.distillers import ConfigurableDistiller
from mmrazor.models.losses import (
    WSLD,
    ChannelWiseDivergence,
    DISTLoss,
    DKDLoss,
    KDSoftCELoss,
    KLDivergence,
)
from torch import nn

from ..errors import SettingError
from ..losses import (
    DecoupledKDLoss,
    MultiLevelKDLoss,
    RefinedLogitsLoss,
    ScaleDecoupledDKDLoss,
    ScaleDecoupledKDLoss,
    TeacherMatchingLoss,
    WarmupLoss,
    WassersteinLogitsLoss,
)

LOGIT_LOSSES = (
    DecoupledKDLoss,
    DISTLoss,
    DKDLoss,
    KDSoftCELoss,
    KLDivergence,
    MultiLevelKDLoss,
    RefinedLogitsLoss,
    TeacherMatchingLoss,
    WSLD,
    WassersteinLogitsLoss,
)
# The last compares a segmentor's logits, or other maps, channel by channel.
CLASSWISE_LOSSES = (*LOGIT_LOSSES, ChannelWiseDivergence)


def unwrapped(loss: nn.Module) -> nn.Module:
    """Unwrap a loss from its warm-up, if it has one."""
    return loss.loss if isinstance(loss, WarmupLoss) else loss


def logit_losses(distiller: nn.Module) -> List[str]:
    """List the losses that compare the teacher's logits class by class.

    Args:
        distiller (nn.Module): Any distiller of MMRazor's or ours.
    """
    names = [
        name
        for name, loss in getattr(distiller, 'distill_losses', {}).items()
        if isinstance(unwrapped(loss), LOGIT_LOSSES)
    ]
    for index, teaching in enumerate(getattr(distiller, 'teachings', ())):
        if teaching.compares_logits:
            names.append(f'local_modules[{index}].classifier_loss')
    return names


def check_counts(
    who: str, student: Optional[int], teacher: Optional[int], cure: str = ''
) -> None:
    """Raise if the numbers of classes differ.

    Args:
        who (str): What compares them: a clause for the message.
        student (int, optional): Classes of the student; None if unknown.
        teacher (int, optional): Classes of the teacher.
        cure (str): An alternative to equal numbers, for the message.
    """
    if None not in (student, teacher) and student != teacher:
        raise SettingError(
            f'The teacher has {teacher} classes and the student {student}, '
            f'but {who}; set num_classes of both heads to the number of '
            f'classes of the data{cure}.'
        )


def check_class_counts(distiller: nn.Module) -> None:
    """Raise if a stock loss compares unequal numbers of classes.

    They are counted along dimension 1 of the records, or along 0 of the
    classifiers' weights, which some losses take in their place. Records that
    go through a connector are skipped, since its output is what is compared.

    Args:
        distiller (nn.Module): A distiller whose recorders have been filled.

    Raises:
        SettingError: If a loss would compare unequal numbers of classes.
    """
    if not isinstance(distiller, ConfigurableDistiller):
        return
    for name, mapping in distiller.loss_forward_mappings.items():
        loss = unwrapped(distiller.distill_losses[name])
        if not isinstance(loss, CLASSWISE_LOSSES):
            continue
        # The student's logits come first, the teacher's second.
        keys, dim = list(signature(loss.forward).parameters)[:2], 1
        if isinstance(loss, (ScaleDecoupledDKDLoss, ScaleDecoupledKDLoss)):
            keys, dim = ['s_weight', 't_weight'], 0  # of the classifiers
        records = [mapping[key] for key in keys if key in mapping]
        taken = [_taken(distiller, record) for record in records]
        if len(taken) == 2 and all(
            isinstance(tensor, torch.Tensor) and tensor.dim() > 1
            for tensor in taken
        ):
            sides = [_name(distiller, record) for record in records]
            check_counts(
                f"'{name}' ({type(loss).__name__}) compares {sides[0]} with "
                f'{sides[1]} class by class',
                *(tensor.shape[dim] for tensor in taken),
            )


def _recorder(distiller: ConfigurableDistiller, record: Dict):
    """Return the role and the recorder that a mapping's entry names."""
    role = 'student' if record['from_student'] else 'teacher'
    manager = getattr(distiller, f'{role}_recorders')
    return role, manager.get_recorder(record['recorder'])


def _taken(distiller: ConfigurableDistiller, record: Dict) -> Any:
    """Get the record of a mapping's entry; None if there is none."""
    if 'connector' in record or not isinstance(record['recorder'], str):
        return None
    if not _recorder(distiller, record)[1].data_buffer:
        return None
    return distiller.get_record(**record)


def _name(distiller: ConfigurableDistiller, record: Dict) -> str:
    """Name the module that a record comes from."""
    role, recorder = _recorder(distiller, record)
    return f"the {role}'s '{recorder.source}'"
