"""Fit what a distiller records to networks of the user's."""

import copy
from typing import Any, Dict, List, Tuple

from mmengine.registry import DATASETS, DefaultScope

from ...backbones.stages import Stages
from ...distillers.named_stages import expand_stages
from ...errors import SettingError
from ..source_code import Noted
from .boundaries import pair_stage_ends
from .methods import METHODS, STAGED
from .networks import CLASSIFIER, OwnNetwork


def with_stages(
    method: str, student: OwnNetwork, teacher: OwnNetwork
) -> Tuple[OwnNetwork, OwnNetwork]:
    """Return the networks with the stages that OFD and ReviewKD need.

    Raises:
        SettingError: If one has none, or ReviewKD lacks its pooled features.
    """
    staged = (student.with_stages(), teacher.with_stages())
    for network in staged:
        pooled = method != 'reviewkd' or network.pooled
        if network.stages is None or not pooled:
            others = [n for n in METHODS[CLASSIFIER] if n not in STAGED]
            raise SettingError(
                f'--method {method} takes maps before the last ReLU of each '
                f'stage, which only ResNets and the networks of this project '
                f'have, with global average pooling, but the {network.role} '
                f"'{network.source}' is none of these; choose one of "
                f'{", ".join(others)}.'
            )
    return staged


def over_blocks(
    distiller: Dict[str, Any], student: OwnNetwork, teacher: OwnNetwork
) -> Dict[str, Any]:
    """Expand ``stages`` unless both networks declare the same ones.

    A stage then ends with the last block of one size.
    """
    if student.stages is not None and student.stages == teacher.stages:
        return distiller
    pairs = pair_stage_ends(student, teacher)
    names = tuple(f'stage{number}' for number in range(1, len(pairs) + 1))
    stages = Stages(names)
    expanded = expand_stages(distiller, stages, stages)
    for index, role in enumerate(('student', 'teacher')):
        for recorder in expanded[f'{role}_recorders'].values():
            number = names.index(recorder['source'].split('.')[1])
            recorder['source'] = pairs[number][index]
    return expanded


def fit_sources(
    distiller: Dict[str, Any], student: OwnNetwork, teacher: OwnNetwork
) -> Dict[str, Any]:
    """Give recorders the names that these networks have.

    The pooled features are what the classifier is given, unless both networks
    have the usual pooling layer.
    """
    distiller = copy.deepcopy(distiller)
    pooled = student.pooled and teacher.pooled
    inputs: List[str] = []
    for network in (student, teacher):
        recorders = distiller.get(f'{network.role}_recorders') or {}
        for name, recorder in recorders.items():
            if recorder['source'] in ('head.fc', 'head.fc.weight'):
                recorder['source'] = recorder['source'].replace(
                    'head.fc', str(network.logits)
                )
            elif recorder['source'] == 'head.loss_module':
                recorder['source'] = student.labels
            elif recorder['source'] == 'neck.gap' and not pooled:
                recorder.update(type='ModuleInputs', source=network.logits)
                inputs.append(name)
    for mapping in (distiller.get('loss_forward_mappings') or {}).values():
        for record in mapping.values():
            if record['recorder'] in inputs:
                record['data_idx'] = 0
    return distiller


def set_samples(distiller: Dict[str, Any], student: OwnNetwork) -> None:
    """Set the number of training samples, of which CRD keeps a bank.

    Raises:
        SettingError: If the data set can't be read.
    """
    loader = student.cfg.get('train_dataloader') or {}
    try:
        with DefaultScope.overwrite_default_scope(student.scope):
            count = len(DATASETS.build(loader['dataset']))
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).split('\n')[0]
        raise SettingError(
            f'--method crd needs the number of training samples, but the '
            f"data set of '{student.source}' can't be read ({reason}); run "
            f'it where the data lie.'
        ) from error
    loss = distiller['distill_losses']['loss_crd']
    loss['num_samples'] = count
    loss['num_negatives'] = min(loss['num_negatives'], count // 2)


def note_size(student: OwnNetwork) -> Noted:
    """Return the size of the student's images, with a comment."""
    note = 'height and width of the images'
    if student.dense_kind:
        note += ', or smaller: the maps are aligned in the training'
    return Noted(student.input_size, note)
