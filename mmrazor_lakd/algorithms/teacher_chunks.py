"""Run a frozen teacher on a few images at a time.

In eval mode an image's maps don't depend on the other images of its batch. So
a batch may go through the teacher in chunks, of which only the recorded maps
are kept: what the teacher needs beside them is that of one chunk.
"""

import math
from typing import (
    Any,
    Callable,
    Dict,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Union,
)

import torch
from mmengine.logging import print_log
from mmrazor.models.task_modules import ParameterRecorder, RecorderManager
from mmrazor.models.task_modules.recorder.base_recorder import BaseRecorder
from torch.profiler import record_function

from ..errors import SettingError
from ..tracing.compare import same_maps
from ..tracing.live_memory import LiveMemory
from ..tracing.records import tensors_in

#: What a chunk needs on a CPU, whose caches hold about as much: larger chunks
#: were slower there, as were those of fewer images.
CPU_BYTES = 16 * 2**20
CPU_IMAGES = 8

Samples = Optional[List]


class Chunking(NamedTuple):
    """Into how many chunks batches are split.

    It doesn't depend on the batch by which it was chosen: a resumed training
    may begin with a smaller one.

    Attributes:
        parts (int): The fewest chunks.
        images (int, optional): The most images of one; None for any number.
    """

    parts: int
    images: Optional[int] = None

    def number(self, batch_size: int) -> int:
        """Return the number of chunks for a batch of some images."""
        fitting = math.ceil(batch_size / (self.images or batch_size))
        return min(batch_size, max(self.parts, fitting))


class WholeBatchNeeded(Exception):
    """A record is not made of one part for each image."""


class ChunkedRecords:
    """The records of a whole batch, written chunk by chunk.

    Args:
        recorders (RecorderManager): The teacher's.
        images (torch.Tensor): The batch, (N, C, H, W).
        data_samples (list, optional): Its samples.
        contiguous (bool): Whether maps are written as (N, C, H, W) even if
            the teacher computes channels last.
    """

    def __init__(
        self,
        recorders: RecorderManager,
        images: torch.Tensor,
        data_samples: Samples,
        contiguous: bool,
    ) -> None:
        self._contiguous = contiguous
        self._recorders = [
            recorder
            for recorder in recorders.recorders.values()
            if not isinstance(recorder, ParameterRecorder)
        ]
        self._count = len(images)
        self._done = 0
        # What a module gets of the batch itself is not copied.
        self._batch = (images, data_samples)
        # Whole records, of each recorder; one that several recorders have
        # stays one.
        self._whole: List[List[Any]] = []

    def add(self, images: torch.Tensor, data_samples: Samples) -> None:
        """Take over what the recorders hold of the next chunk.

        Raises:
            WholeBatchNeeded: If it is not a part for each of its images.
        """
        first = not self._whole
        if first:
            self._whole = [
                [None] * len(r.data_buffer) for r in self._recorders
            ]
        given = dict(zip(map(id, (images, data_samples)), self._batch))
        written: Dict[int, Any] = {}
        for whole, recorder in zip(self._whole, self._recorders):
            if len(whole) != len(recorder.data_buffer):
                raise WholeBatchNeeded
            for place, part in enumerate(recorder.data_buffer):
                if id(part) not in written:
                    written[id(part)] = self._write(
                        whole[place], part, len(images), given
                    )
                whole[place] = written[id(part)]
            recorder.reset_data_buffer()
        self._done += len(images)

    def finish(self) -> None:
        """Give the recorders the records of the whole batch."""
        for recorder, whole in zip(self._recorders, self._whole):
            recorder._data_buffer = whole

    def _write(self, whole: Any, part: Any, count: int, given: Dict) -> Any:
        """Write the part of a chunk into a whole record, and return that."""
        if id(part) in given:
            return given[id(part)]
        if isinstance(part, torch.Tensor):
            return self._write_tensor(whole, part, count)
        if isinstance(part, dict):
            whole = whole or dict.fromkeys(part)
            return {
                key: self._write(whole[key], value, count, given)
                for key, value in part.items()
            }
        if isinstance(part, (list, tuple)) and tensors_in(part):
            whole = whole or [None] * len(part)
            items = [
                self._write(own, value, count, given)
                for own, value in zip(whole, part)
            ]
            if hasattr(part, '_fields'):
                return type(part)(*items)
            return type(part)(items)
        if isinstance(part, list) and len(part) == count:
            return [*(whole or []), *part]  # samples
        return part

    def _write_tensor(
        self, whole: Optional[torch.Tensor], part: torch.Tensor, count: int
    ) -> torch.Tensor:
        """Write a tensor with one or several rows for each image."""
        if not part.dim() or len(part) % count:
            raise WholeBatchNeeded
        rows = len(part) // count
        if whole is None:
            layout = torch.contiguous_format
            if not (self._contiguous or part.is_contiguous()) and (
                part.is_contiguous(memory_format=torch.channels_last)
            ):
                layout = torch.channels_last
            whole = torch.empty(
                (rows * self._count, *part.shape[1:]),
                dtype=part.dtype,
                device=part.device,
                memory_format=layout,
            )
        if whole.shape[1:] != part.shape[1:]:
            raise WholeBatchNeeded
        whole[rows * self._done :][: len(part)].copy_(part)
        return whole


def run_in_chunks(
    run: Callable[[torch.Tensor, Samples], None],
    recorders: RecorderManager,
    images: torch.Tensor,
    data_samples: Samples,
    chunks: int,
    contiguous: bool = False,
) -> None:
    """Fill the recorders with the records of a batch, chunk by chunk.

    Args:
        run (Callable): Runs the teacher on images and their samples, and
            fills the recorders.
        recorders (RecorderManager): The teacher's.
        images (torch.Tensor): The batch, (N, C, H, W).
        data_samples (list, optional): Its samples.
        chunks (int): Into how many parts the batch is split.
        contiguous (bool): See :class:`ChunkedRecords`. Defaults to False.

    Raises:
        WholeBatchNeeded: If a record is not made of one part for each image.
    """
    if min(chunks, len(images)) == 1:
        run(images, data_samples)
        return
    records = ChunkedRecords(recorders, images, data_samples, contiguous)
    begin = 0
    for part in images.chunk(chunks):
        end = begin + len(part)
        samples = None if data_samples is None else data_samples[begin:end]
        run(part, samples)
        with record_function('lakd/teacher'):
            records.add(part, samples)
        begin = end
    records.finish()


def check_chunks(
    value: Union[int, str], owner: str, whole_batch: Optional[str]
) -> None:
    """Raise if ``teacher_chunks`` is no number, or can't be had.

    Args:
        value (int | str): As given.
        owner (str): The algorithm, for the message.
        whole_batch (str, optional): What needs the whole batch; None if
            nothing is known to.

    Raises:
        SettingError: In these two cases.
    """
    number = value if type(value) is int else 0
    if number < 1 and value != 'auto':
        raise SettingError(
            f"{owner} has teacher_chunks={value!r}; write 'auto', or into how "
            f'many parts a batch is split for the teacher, such as 4.'
        )
    if number > 1 and whole_batch:
        raise SettingError(
            f'{owner} has teacher_chunks={value}, but {whole_batch} needs the '
            f"whole batch at once; write teacher_chunks='auto', or 1."
        )


def same_in_chunks(
    run: Callable[[torch.Tensor, Samples], None],
    recorders: RecorderManager,
    images: torch.Tensor,
    data_samples: Samples,
) -> bool:
    """Check whether a teacher's records of an image depend on that alone.

    Args:
        run (Callable): As in :func:`run_in_chunks`.
        recorders (RecorderManager): The teacher's.
        images (torch.Tensor): Two or more images, (N, C, H, W).
        data_samples (list, optional): Their samples.
    """
    found = []
    for chunks in (1, len(images)):
        try:
            run_in_chunks(run, recorders, images, data_samples, chunks)
        except WholeBatchNeeded:
            return False
        found.append(_records(recorders.recorders.values()))
    return same_maps(*found)


def _records(recorders: Sequence[BaseRecorder]) -> List[torch.Tensor]:
    return [t for r in recorders for t in tensors_in(r.data_buffer)]


def choose_chunks(
    run: Callable[[torch.Tensor, Samples], None],
    images: torch.Tensor,
    data_samples: Samples,
    student_bytes: int,
) -> Chunking:
    """Choose the number of chunks so that the teacher is never the peak.

    A chunk needs no more than half of what the student's largest module
    saves. On a CPU it should also fit a cache, which is faster.

    Args:
        run (Callable): As in :func:`run_in_chunks`.
        images (torch.Tensor): One image, (1, C, H, W).
        data_samples (list, optional): Its sample.
        student_bytes (int): What autograd saves for the student's largest
            module, for one image.
    """
    with LiveMemory() as memory:
        run(images, data_samples)
    parts = max(1, math.ceil(2 * memory.peak / max(student_bytes, 1)))
    most = None
    if images.device.type == 'cpu':
        most = max(CPU_IMAGES, CPU_BYTES // max(memory.peak, 1))
    print_log(
        f'The teacher needs {memory.peak / 2**20:.2f} MiB for an image, and a '
        f'module of the student saves at most {student_bytes / 2**20:.2f} '
        f'MiB: it takes a batch in at least {parts} chunks'
        f'{f" of at most {most} images" if most else ""}.',
        logger='current',
    )
    return Chunking(parts, most)
