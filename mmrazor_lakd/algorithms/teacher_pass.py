"""A frozen teacher's pass over a batch."""

from typing import List, Optional, Sequence, Union

import torch
from mmrazor.models.task_modules import RecorderManager
from torch import nn
from torch.profiler import record_function

from ..distillers.kept_maps import note_images
from ..errors import SettingError
from ..tracing.passes import run_model
from ..tracing.recorders import recorded_modules
from ..tracing.records import check_unchanged, make_contiguous, recording
from .first_step import Recording, all_agree, find_chunks, fuse_teacher
from .teacher_chunks import (
    Chunking,
    Samples,
    WholeBatchNeeded,
    check_chunks,
    run_in_chunks,
)
from .teacher_fusion.fuse import memory_format


class TeacherPass:
    """Fills a teacher's recorders from a batch, at once or in chunks.

    Args:
        owner (str): The algorithm, for messages.
        teacher (nn.Module): The teacher.
        recorders (RecorderManager): Its recorders.
        with_loss (bool): Whether its loss is computed, too.
        chunks (int | str): Into how many parts a batch is split, or
            ``'auto'``.
        whole_batch (str, optional): What is known to need the whole batch at
            once; None if nothing is.

    Raises:
        SettingError: If ``chunks`` is no number, or can't be had.
    """

    def __init__(
        self,
        owner: str,
        teacher: nn.Module,
        recorders: RecorderManager,
        with_loss: bool,
        chunks: Union[int, str],
        whole_batch: Optional[str],
    ) -> None:
        check_chunks(chunks, owner, whole_batch)
        self._owner = owner
        self._teacher = teacher
        self._recorders = recorders
        self._with_loss = with_loss
        self._wanted = chunks
        # Their number, once a batch of several images has shown it.
        self.chunks = Chunking(1)
        self._chosen = whole_batch is not None or chunks == 1
        # Whether the teacher's memory format differs from the student's.
        self._reordered = False

    def __call__(self, images: torch.Tensor, data_samples: Samples) -> None:
        """Fill the recorders.

        Args:
            images (torch.Tensor): The batch, (N, C, H, W).
            data_samples (list, optional): Its samples.

        Raises:
            SettingError: If a record is not made of a part for each image,
                or is overwritten by the teacher.
        """
        chunks = self.chunks.number(len(images))
        try:
            run_in_chunks(
                self._run,
                self._recorders,
                images,
                data_samples,
                chunks,
                contiguous=self._reordered,
            )
        except WholeBatchNeeded:
            raise SettingError(
                f'{self._owner}: the teacher took {len(images)} '
                f'images in {chunks} chunks, and what is recorded of '
                f'it has no equal part for each image; write teacher_chunks=1.'
            ) from None
        if self._reordered:
            with record_function('lakd/teacher'):
                make_contiguous(self._recorders)

    def fuse(
        self, student: nn.Module, images: torch.Tensor, data_samples: Samples
    ) -> None:
        """Speed up the teacher, once, without changing its maps.

        Args:
            student (nn.Module): The student, whose memory format its maps
                should have.
            images (torch.Tensor): A few images, (N, C, H, W).
            data_samples (list, optional): Their samples.
        """
        last = images.device.type == 'cpu'
        self._reordered = last and (
            memory_format(student, images) != torch.channels_last
        )
        recorded = Recording(
            self._teacher, self._recorders, images, data_samples
        )
        fuse_teacher(self._teacher, recorded, last)

    @torch.no_grad()
    def choose_chunks(
        self,
        student: nn.Module,
        cuts: Sequence[str],
        images: torch.Tensor,
        data_samples: Optional[List],
    ) -> None:
        """Choose into how many parts a batch is split, once.

        It takes a batch of several images: one can't show whether the
        others change its maps.

        Args:
            student (nn.Module): The student.
            cuts (Sequence[str]): Its modules that end in a cut.
            images (torch.Tensor): The first batch, (N, C, H, W).
            data_samples (list, optional): Its samples.
        """
        if self._chosen or not all_agree(len(images) > 1):
            return
        self._chosen = True
        self.chunks = find_chunks(
            student,
            cuts,
            self._run,
            self._recorders,
            images,
            data_samples,
            self._wanted,
        )

    def _run(self, images: torch.Tensor, data_samples: Samples) -> None:
        """Fill the recorders from some images of the batch."""
        note_images(self._recorders, images.shape[-2:])
        # A name for profilers: only a part of the teacher may run.
        with record_function('lakd/teacher'), recording(self._recorders):
            if self._with_loss:
                self._teacher(images, data_samples, mode='loss')
            else:
                names = recorded_modules(self._recorders)
                run_model(self._teacher, images, names, data_samples)
        check_unchanged(self._recorders, 'teacher')
