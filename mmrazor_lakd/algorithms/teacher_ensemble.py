"""Several teachers that teach together."""

import logging
from typing import Any, List, Optional, Sequence, Union

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModel
from mmpretrain.structures import DataSample
from torch import nn

from ..checkpoints.loading import load_teacher_weights
from ..checkpoints.model_configs import NetworkConfig
from ..errors import SettingError, check_number


class MeanLogits(nn.Module):
    r"""The weighted mean of several networks' logits.

    .. math:: z = \sum_i w_i z_i / \sum_i w_i

    Args:
        weights (Sequence[float]): A weight for each network.
    """

    def __init__(self, weights: Sequence[float]) -> None:
        super().__init__()
        self.weights = [weight / sum(weights) for weight in weights]

    def forward(self, logits: Sequence[torch.Tensor]) -> torch.Tensor:
        """Average logits, each (N, K).

        Raises:
            SettingError: If they are no logits of the same classes.
        """
        shapes = [getattr(one, 'shape', None) for one in logits]
        if len(set(shapes)) > 1 or shapes[0] is None or len(shapes[0]) != 2:
            found = [
                tuple(shape) if shape else type(one).__name__
                for one, shape in zip(logits, shapes)
            ]
            raise SettingError(
                f'model.teacher: the outputs of several teachers are averaged '
                f'and must be logits (N, K) of the same classes, but they '
                f'give {found}; write teachers with the same num_classes, or '
                f'one teacher.'
            )
        return sum(w * one for w, one in zip(self.weights, logits))


class TeacherEnsemble(BaseModel):
    """Several frozen teachers, run one after the other.

    What a step records of one teacher is kept, and everything else is
    released before the next one runs: without gradients, the memory is that
    of the largest teacher, and not of all.

    Its modules are ``teacher0``, ``teacher1``, ..., and ``head``, whose output
    is the weighted mean of their logits: a recorder of ``'head'`` gets that,
    and ``teacher1.backbone.layer2`` names a map.

    Source: ours. Averaging the networks of an ensemble is from Hinton et al.,
    "Distilling the Knowledge in a Neural Network", arXiv 1503.02531.

    Args:
        teachers (Sequence[nn.Module]): Classifiers of MMEngine.
        weights (Sequence[float], optional): A weight above 0 for each in the
            mean. Defaults to None: all alike.

    Raises:
        SettingError: If the weights are not as many as the teachers, or not
            above 0.
    """

    def __init__(
        self,
        teachers: Sequence[nn.Module],
        weights: Optional[Sequence[float]] = None,
    ) -> None:
        super().__init__()
        weights = [1.0] * len(teachers) if weights is None else weights
        if len(weights) != len(teachers) or not teachers:
            raise SettingError(
                f'model.teacher_weights has {len(weights)} entries for '
                f'{len(teachers)} teachers; write a weight for each, or leave '
                f'it out for the mean of all.'
            )
        for weight in weights:
            check_number('model', 'teacher_weights', weight, above=0)
        self.teachers = list(teachers)  # not as submodules of this name
        for number, teacher in enumerate(teachers):
            self.add_module(f'teacher{number}', teacher)
        self.head = MeanLogits(weights)

    def forward(
        self,
        inputs: torch.Tensor,
        data_samples: Optional[List] = None,
        mode: str = 'tensor',
    ) -> Any:
        """Run all teachers.

        Args:
            inputs (torch.Tensor): Preprocessed images, (N, C, H, W).
            data_samples (list, optional): Their samples, to which predictions
                are added, as mmpretrain's classifiers do.
            mode (str): ``'tensor'`` or ``'predict'``.

        Returns:
            torch.Tensor | list[DataSample]: The logits (N, K), or samples
            with ``pred_score``, (K,), and ``pred_label``.
        """
        logits = self.head(
            [
                teacher(inputs, data_samples, mode='tensor')
                for teacher in self.teachers
            ]
        )
        if mode == 'tensor':
            return logits
        if data_samples is None:
            data_samples = [DataSample() for _ in logits]
        scores = logits.float().softmax(1)
        return [
            sample.set_pred_score(score).set_pred_label(score.argmax())
            for sample, score in zip(data_samples, scores)
        ]


def teachers_in(teacher: nn.Module) -> List[nn.Module]:
    """List the networks of an ensemble, or the one teacher."""
    if isinstance(teacher, TeacherEnsemble):
        return teacher.teachers
    return [teacher]


def init_teachers(
    teacher: nn.Module, paths: Union[str, Sequence[Optional[str]], None]
) -> None:
    """Load the teacher, or several, or initialise what has no checkpoint.

    Args:
        teacher (nn.Module): The teacher, or a :class:`TeacherEnsemble`.
        paths (str | list, optional): ``teacher_ckpt`` of the algorithm.

    Raises:
        SettingError: If a checkpoint is missing, truncated or from another
            architecture.
    """
    teachers = teachers_in(teacher)
    if paths is None or isinstance(paths, str):
        paths = [paths] * len(teachers)
    for number, (one, path) in enumerate(zip(teachers, paths)):
        option = 'model.teacher_ckpt'
        if one is not teacher:
            option += f'[{number}]'
        if path:
            load_teacher_weights(one, path, option)
        elif not getattr(one, 'is_init', False):
            one.init_weights()
            print_log(
                f'{option[6:]} is not given: unless its own init_cfg loads '
                f'some, the weights of the teacher are random.',
                logger='current',
                level=logging.WARNING,
            )


def build_ensemble(
    configs: Sequence[NetworkConfig],
    weights: Optional[Sequence[float]],
    checkpoints: Any,
    distiller: Any,
) -> TeacherEnsemble:
    """Build several teachers, after checking what is said of them.

    Args:
        configs (Sequence[NetworkConfig]): The teachers.
        weights (Sequence[float], optional): See :class:`TeacherEnsemble`.
        checkpoints (Any): ``teacher_ckpt`` of the algorithm.
        distiller (Any): ``distiller`` of the algorithm.

    Raises:
        SettingError: If there aren't as many checkpoints as teachers, or the
            distiller chooses maps by itself.
    """
    if checkpoints is not None and (
        isinstance(checkpoints, str) or len(checkpoints) != len(configs)
    ):
        raise SettingError(
            f'model.teacher_ckpt={checkpoints!r} for {len(configs)} teachers; '
            f'write a list with a checkpoint, or None, for each.'
        )
    options = distiller if isinstance(distiller, dict) else {}
    for name in ('num_modules', 'stages', 'local_modules'):
        # A list of local_modules names its maps, a dict stands for stages.
        if not isinstance(options.get(name), (list, type(None))):
            raise SettingError(
                f'model.distiller.{name} chooses maps of one teacher, but '
                f'model.teacher has {len(configs)}; name the maps, such as '
                f"teacher='teacher0.backbone.layer1', in local_modules or in "
                f'recorders.'
            )
    return TeacherEnsemble([config.build() for config in configs], weights)
