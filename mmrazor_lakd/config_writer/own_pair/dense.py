"""CWD and PKD for segmentors and detectors of the user's."""

from typing import Any, Dict, List

import torch

from ...distillers.class_counts import check_counts
from ...errors import SettingError
from ...tracing.modules import eval_mode
from ..source_code import Noted
from .networks import SEGMENTOR, OwnNetwork


def make_cwd(student: OwnNetwork, teacher: OwnNetwork) -> Dict[str, Any]:
    """Make CWD's distiller: a segmentor's logits, or a detector's neck.

    Source: Shu et al., "Channel-wise Knowledge Distillation for Dense
    Prediction"; temperatures and weights are MMRazor's.

    Raises:
        SettingError: If what is compared can't be found, or doesn't agree.
    """
    loss = dict(type='ChannelWiseDivergence', tau=1, loss_weight=10)
    if student.kind != SEGMENTOR:
        return _over_neck('cwd', loss, student, teacher)
    for network in (student, teacher):
        if network.logits is None:
            raise SettingError(
                f"--method cwd compares the logits' maps, but no module of "
                f"the {network.role} '{network.source}' outputs them; write "
                f'--method lakd.'
            )
    check_counts(
        '--method cwd compares their logits class by class',
        student.num_classes,
        teacher.num_classes,
        ', or write --method lakd, which compares maps alone then',
    )
    sizes = [
        'x'.join(map(str, network.logits_size))
        for network in (student, teacher)
    ]
    if sizes[0] != sizes[1]:
        raise SettingError(
            f"--method cwd compares the logits' maps place by place, but the "
            f"student's are {sizes[0]} and the teacher's {sizes[1]}, of "
            f'images of {"x".join(map(str, student.input_size))}; write '
            f'--method lakd, which aligns maps.'
        )
    records = dict(
        preds_S=dict(recorder='logits', from_student=True),
        preds_T=dict(recorder='logits', from_student=False),
    )
    return dict(
        type='ConfigurableDistiller',
        student_recorders=_recorder('logits', student.logits),
        teacher_recorders=_recorder('logits', teacher.logits),
        distill_losses=Noted(
            dict(loss_cwd={**loss, 'loss_weight': 5}),
            "CWD on the logits' maps, with MMRazor's weight.",
        ),
        loss_forward_mappings=dict(loss_cwd=records),
    )


def make_pkd(student: OwnNetwork, teacher: OwnNetwork) -> Dict[str, Any]:
    """Make PKD's distiller, between the necks of two detectors.

    Source: Cao et al., "PKD: General Distillation Framework for Object
    Detectors via Pearson Correlation Coefficient"; the weights are MMRazor's.

    Raises:
        SettingError: If the necks' maps don't agree.
    """
    two_stage = hasattr(student.model, 'roi_head')
    loss = dict(type='PKDLoss', loss_weight=6 if two_stage else 10)
    return _over_neck('pkd', loss, student, teacher)


def _over_neck(
    name: str, loss: Dict, student: OwnNetwork, teacher: OwnNetwork
) -> Dict[str, Any]:
    """Compare each level of two necks."""
    shapes = [_neck_shapes(network) for network in (student, teacher)]
    if not shapes[0] or shapes[0] != shapes[1]:
        raise SettingError(
            f'--method {name} compares the levels of both necks, but the '
            f"student's are {shapes[0] or 'none'} and the teacher's "
            f'{shapes[1] or "none"}; write --method lakd, which aligns maps.'
        )
    levels = [
        (f'loss_{name}{level}', level) for level in range(len(shapes[0]))
    ]
    return dict(
        type='ConfigurableDistiller',
        student_recorders=_recorder('fpn', 'neck'),
        teacher_recorders=_recorder('fpn', 'neck'),
        distill_losses=Noted(
            {key: dict(loss) for key, _ in levels},
            f"{name.upper()} on each level of the neck, with MMRazor's "
            f'weights.',
        ),
        loss_forward_mappings={
            key: dict(
                preds_S=dict(
                    recorder='fpn', from_student=True, data_idx=level
                ),
                preds_T=dict(
                    recorder='fpn', from_student=False, data_idx=level
                ),
            )
            for key, level in levels
        },
    )


def _recorder(name: str, source: Any) -> Dict[str, Dict]:
    return {name: dict(type='ModuleOutputs', source=source)}


def _neck_shapes(network: OwnNetwork) -> List[str]:
    """Return the shapes (C, H, W) of a neck's levels, as texts."""
    if getattr(network.model, 'neck', None) is None:
        return []
    image = next(network.model.parameters()).new_zeros(
        1, 3, *network.input_size
    )
    with eval_mode(network.model), torch.no_grad():
        maps = network.model.extract_feat(image)
    return ['x'.join(map(str, level.shape[1:])) for level in maps]
