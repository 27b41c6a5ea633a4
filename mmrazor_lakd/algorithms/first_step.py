"""What a distillation does to both networks at its first training step."""

from contextlib import contextmanager
from typing import Iterator, List, Optional

import torch
from mmengine.logging import print_log
from mmengine.runner.amp import autocast
from mmrazor.models.task_modules import (
    ModuleOutputsRecorder,
    RecorderManager,
)
from torch import nn
from torch.backends import cudnn

from ..losses import check_map
from ..tracing.modules import eval_mode
from ..tracing.passes import run_model
from ..tracing.recorders import recorded_modules
from ..tracing.records import tensors_in
from .teacher_fusion.fuse import fuse
from .teacher_fusion.inplace_relu import find_relus, set_inplace


class Recording:
    """Runs a network on a few images, for what it outputs and records.

    Args:
        network (nn.Module): The network.
        recorders (RecorderManager): Its recorders.
        images (torch.Tensor): Preprocessed images, (N, C, H, W).
        data_samples (list, optional): Their samples.
        whole (bool): Whether to run the head even if nothing of it is
            recorded. Defaults to False.
    """

    def __init__(
        self,
        network: nn.Module,
        recorders: RecorderManager,
        images: torch.Tensor,
        data_samples: Optional[List],
        whole: bool = False,
    ) -> None:
        self.network = network
        self.recorders = recorders
        self.images = images
        self.data_samples = data_samples
        self.names = [] if whole else recorded_modules(recorders)

    def __call__(self) -> List[torch.Tensor]:
        """Run it, and return the tensors of its output and the records."""
        with self.recorders:
            output = run_model(
                self.network, self.images, self.names, self.data_samples
            )
        found = [output]
        for recorder in self.recorders.recorders.values():
            found += recorder.data_buffer
        return tensors_in(found)


def restore_in_place(
    student: nn.Module, activations: List[nn.Module], recording: Recording
) -> None:
    """Make a student's activations in place again, as in its config.

    Except where a recorder needs their input. Each saves the memory of a map.

    Args:
        student (nn.Module): The student.
        activations (list[nn.Module]): Those that are in place in its config.
        recording (Recording): Of the whole student.
    """
    with _exact(), eval_mode(student):
        set_inplace(find_relus(student, recording, activations))


def fuse_teacher(
    teacher: nn.Module, recording: Recording, channels_last: bool
) -> None:
    """Speed up a teacher's forward pass without changing its outputs.

    Args:
        teacher (nn.Module): The teacher, which stays in eval mode.
        recording (Recording): Of as much of it as is recorded.
        channels_last (bool): Whether to compute so. PyTorch's convolutions
            are faster this way on CPUs; on a GPU it depends, and is the
            user's choice.
    """
    if channels_last:
        teacher.to(memory_format=torch.channels_last)
    with _exact():
        folded, in_place = fuse(teacher, recording)
    print_log(
        f"Folded {folded} of the teacher's batch normalisations into its "
        f'convolutions, and made {in_place} of its activations in place.',
        logger='current',
    )


def check_teacher_maps(recorders: RecorderManager) -> None:
    """Raise if a recorded map of the teacher is constant."""
    for recorder in recorders.recorders.values():
        # not recorders of inputs, a subclass in MMRazor
        if type(recorder) is ModuleOutputsRecorder:
            for feature in tensors_in(recorder.data_buffer):
                check_map(feature, f"The teacher's '{recorder.source}'")


@contextmanager
def _exact() -> Iterator[None]:
    """Compute without rounding to half precision or TF32.

    It would hide the differences that the comparisons look for.
    """
    with cudnn.flags(enabled=cudnn.enabled, allow_tf32=False):
        with autocast(enabled=False):
            yield
