"""What a distillation does to both networks at its first training step."""

from contextlib import contextmanager, suppress
from typing import Callable, Iterator, List, Optional, Sequence, Tuple, Union

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.logging import print_log
from mmengine.model import convert_sync_batchnorm
from mmengine.runner.amp import autocast
from mmrazor.models.task_modules import (
    ModuleInputsRecorder,
    ModuleOutputsRecorder,
    RecorderManager,
)
from torch import nn
from torch.backends import cudnn, mkldnn

from ..errors import SettingError
from ..losses import check_map
from ..tracing.autograd_graph import saved_in
from ..tracing.passes import run_model, unchanged
from ..tracing.recorders import recorded_modules
from ..tracing.records import tensors_in
from .teacher_chunks import Chunking, choose_chunks, same_in_chunks
from .teacher_fusion.fuse import fuse


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
    with exact():
        folded, in_place = fuse(teacher, recording)
    print_log(
        f"Folded {folded} of the teacher's batch normalisations into its "
        f'convolutions, and made {in_place} of its activations in place.',
        logger='current',
    )


def find_chunks(
    student: nn.Module,
    cuts: Sequence[str],
    teacher: Callable,
    recorders: RecorderManager,
    images: torch.Tensor,
    data_samples: Optional[List],
    wanted: Union[int, str],
) -> Chunking:
    """Find into how many parts a batch is split for the teacher.

    Args:
        student (nn.Module): The student.
        cuts (Sequence[str]): The modules that it is cut behind.
        teacher (Callable): Fills the recorders from images and samples.
        recorders (RecorderManager): The teacher's.
        images (torch.Tensor): The first batch, (N, C, H, W).
        data_samples (list, optional): Its samples.
        wanted (int | str): The number, or ``'auto'``.

    Raises:
        SettingError: If a number is wanted that changes the records.
    """

    def first(count: int) -> Tuple[torch.Tensor, Optional[List]]:
        samples = None if data_samples is None else data_samples[:count]
        return images[:count], samples

    with exact():
        # The student's own loss may talk to the other processes.
        if not all_agree(same_in_chunks(teacher, recorders, *first(2))):
            cause = (
                'what is recorded of the teacher differs between two images '
                'together and one after the other'
            )
            if wanted != 'auto':
                raise SettingError(
                    f'teacher_chunks={wanted}, but {cause}; write '
                    f"teacher_chunks='auto', or 1."
                )
            print_log(f'teacher_chunks is 1: {cause}.', logger='current')
            return Chunking(1)
        if isinstance(wanted, int):
            return Chunking(wanted)

        def run(forget):
            with unchanged(student):
                student(*first(1), mode='loss')

        try:
            saved = saved_in(student, cuts, run)
        except Exception as error:  # of the student, maybe the user's own
            print_log(
                f'teacher_chunks is 1: in eval mode the student has no loss '
                f'of one image, by which to choose their number ({error!r}).',
                logger='current',
            )
            return Chunking(1)
        return choose_chunks(
            teacher,
            *first(1),
            student_bytes=max(sum(part.values()) for part in saved),
        )


def synchronised(model: nn.Module) -> Optional[nn.Module]:
    """Find a batch normalisation that all processes compute together."""
    return next(
        (m for m in model.modules() if type(m).__name__ == 'SyncBatchNorm'),
        None,
    )


def synchronise(teacher: nn.Module, example: nn.Module) -> None:
    """Do to a teacher's batch normalisation what ``sync_bn`` did to a student.

    MMEngine replaces that of a model's submodules, of which a frozen teacher
    is none.

    Args:
        teacher (nn.Module): In train mode, so that the batch counts.
        example (nn.Module): What became of one of the student's.
    """
    package = type(example).__module__.partition('.')[0]
    before = dict(teacher.named_modules())
    convert_sync_batchnorm(teacher, package)  # 'torch' or 'mmcv'
    for name, module in teacher.named_modules():
        if module is not before[name]:
            # The recorders' hooks.
            hooks = vars(before[name]).items()
            vars(module).update(h for h in hooks if '_hooks' in h[0])
    teacher.train()


def check_teacher_maps(recorders: RecorderManager) -> None:
    """Raise if a recorded map of the teacher is constant."""
    for recorder in recorders.recorders.values():
        if isinstance(recorder, ModuleOutputsRecorder) and not isinstance(
            recorder,
            ModuleInputsRecorder,  # a subclass in MMRazor
        ):
            for feature in tensors_in(recorder.data_buffer):
                check_map(feature, f"The teacher's '{recorder.source}'")


def all_agree(here: bool) -> bool:
    """Check whether something holds in all processes of a training."""
    if get_world_size() == 1:
        return here
    holds = torch.tensor(int(here))
    all_reduce(holds, 'min')
    return bool(holds)


@contextmanager
def exact() -> Iterator[None]:
    """Compute without rounding to half precision or TF32.

    It would hide the differences that the comparisons look for.
    """
    with _without_tf32(), autocast(enabled=False):
        yield


@contextmanager
def _without_tf32() -> Iterator[None]:
    """Compute without TF32, by the interface that the user has chosen.

    PyTorch has two since 2.9, and refuses to read the one whose settings the
    other has changed.
    """
    parts = [
        part
        for package in (torch.backends.cuda, cudnn, mkldnn)
        for name in ('matmul', 'conv', 'rnn')
        for part in [getattr(package, name, None)]
        if hasattr(part, 'fp32_precision')
    ]
    before = [part.fp32_precision for part in parts]
    older: Optional[str] = None
    with suppress(RuntimeError):
        if cudnn.allow_tf32 in (True, False):
            older = torch.get_float32_matmul_precision()
    try:
        if older is None:
            for part in parts:
                part.fp32_precision = 'ieee'
            yield
        else:
            torch.set_float32_matmul_precision('highest')
            with cudnn.flags(enabled=cudnn.enabled, allow_tf32=False):
                yield
    finally:
        if older is not None:
            torch.set_float32_matmul_precision(older)
        # The older interface writes 'ieee' where nothing was chosen, too.
        for part, value in zip(parts, before):
            part.fp32_precision = value
