"""What a distillation does to its student at the first step."""

from typing import Any, Dict, List, Optional, Sequence

import torch
from mmrazor.models.algorithms import SingleTeacherDistill
from torch import nn

from ..distillers.activation_checkpointing import (
    checkpoint_blocks,
    renew_checkpoints,
    renewed,
)
from ..distillers.stem import check_stem, find_stem, recompute_stem
from ..errors import SettingError
from ..tracing.compare import same_maps
from ..tracing.modules import eval_mode
from ..tracing.passes import unchanged
from ..tracing.recorders import recorded_modules
from .checks import check_deliveries
from .first_step import Recording, exact
from .teacher_fusion.inplace_relu import find_relus, set_inplace


class StudentPreparation:
    """Saves a student's memory, once, without changing its maps.

    Args:
        in_place (list[nn.Module]): Its activations that are in place in its
            config. MMRazor switches them off, so that none overwrites a
            recorded map.
        parts (list[str]): What of it is recomputed, of
            :data:`~mmrazor_lakd.algorithms.checks.PARTS`.
    """

    def __init__(
        self, in_place: List[nn.Module], parts: Sequence[str]
    ) -> None:
        self._in_place = in_place
        self._parts = parts
        self._done = False

    @torch.no_grad()
    def __call__(
        self,
        model: SingleTeacherDistill,
        images: torch.Tensor,
        data_samples: Optional[List[Any]],
    ) -> None:
        """Prepare the student of ``model``, unless it is.

        Args:
            model (SingleTeacherDistill): The algorithm.
            images (torch.Tensor): Its first batch, (N, C, H, W), of which two
                images are taken.
            data_samples (list, optional): Their samples.

        Raises:
            SettingError: If a part to recompute doesn't exist, or can't be
                recomputed.
        """
        if self._done:
            return
        self._done = True
        student = model.student
        # MMEngine applies activation_checkpointing after the build: records
        # inside it would have no graph.
        renew_checkpoints(student)
        if renewed(student):
            check_deliveries(
                model, 'with_cp=True, or activation_checkpointing'
            )
        whole = Recording(
            student,
            model.distiller.student_recorders,
            images[:2],
            None if data_samples is None else data_samples[:2],
            whole=True,
        )
        if self._in_place and not model.module_inplace:
            _restore_in_place(student, self._in_place, whole)
        if self._parts:
            distiller = model.distiller
            modules = getattr(distiller, 'local_modules', [])
            early = getattr(distiller, 'early_backward', False)
            boundaries = {
                entry['student']: entry['isolate'] and early
                for entry in modules
            }
            _recompute(student, self._parts, boundaries, whole)


def _restore_in_place(
    student: nn.Module, activations: List[nn.Module], recording: Recording
) -> None:
    """Make a student's activations in place again, as in its config.

    Except where a recorder needs their input. Each saves the memory of a map.

    Args:
        student (nn.Module): The student.
        activations (list[nn.Module]): Those that are in place in its config.
        recording (Recording): Of the whole student.
    """
    with exact(), eval_mode(student):
        set_inplace(find_relus(student, recording, activations))


def _recompute(
    student: nn.Module,
    parts: Sequence[str],
    boundaries: Dict[str, bool],
    recording: Recording,
) -> None:
    """Let parts of a student be recomputed in the backward pass.

    Args:
        student (nn.Module): The student.
        parts (Sequence[str]): ``'blocks'``, ``'stem'``, or both.
        boundaries (dict[str, bool]): Its modules followed by a boundary, and
            whether their backward pass follows at once.
        recording (Recording): Of the whole student.

    Raises:
        SettingError: If a part doesn't exist, or can't be recomputed.
    """
    modules = dict(student.named_modules())
    with exact():
        stem = None
        if 'stem' in parts:
            stem = find_stem(student, recording)
            used = [*boundaries, *recorded_modules(recording.recorders)]
            check_stem(student, stem, used)

        def run() -> List[torch.Tensor]:
            with unchanged(student), torch.no_grad():
                if stem is not None:
                    # By its first statistics it would be the identity.
                    modules[stem.norm].train()
                return [tensor.clone() for tensor in recording()]

        expected = run()
        if stem is not None:
            recompute_stem(student, stem)
            if not same_maps(expected, run()):
                raise SettingError(
                    f"recompute has 'stem', but {type(student).__name__} also "
                    f'uses an inner map of it, between {stem.names}, '
                    f'elsewhere (as a shortcut does), or a recorder does; '
                    f"leave 'stem' out."
                )
        if 'blocks' in parts:
            size = recording.images.shape[-2:]
            checkpoint_blocks(student, tuple(size), boundaries)
            if not same_maps(expected, run()):
                raise SettingError(
                    f'recompute={list(parts)} changes what '
                    f'{type(student).__name__} computes; leave recompute out.'
                )
