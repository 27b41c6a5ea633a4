"""What is kept of a teacher's map until its boundary is reached."""

from typing import Any, Dict, Optional, Sequence, Tuple

import torch
from mmrazor.models.task_modules import (
    ModuleOutputsRecorder,
    RecorderManager,
)

from ..connectors import match_size
from ..tracing.token_maps import map_tensor, with_tensor
from .map_projection import MapProjection

Size = Tuple[int, int]


class KeptMapRecorder(ModuleOutputsRecorder):
    """Records a teacher's map at the size at which it will be compared.

    A map that is larger than the student's is pooled as soon as it is known,
    and not only at the boundary. To which size is learned there, for each
    size of the images: maps of equal size may belong to images of two, of
    which the student makes maps of two. In half precision, a map that is
    still to be pooled is rounded at its boundary, so that every step rounds
    the same values. So is one that is still to be projected.

    Args:
        source (str): The teacher's module.
        half (bool): Whether to keep the map in bfloat16.
        projection (MapProjection, optional): Projects the map, as soon as its
            boundary has fitted it to a first one. Defaults to None.

    Attributes:
        images (tuple, optional): Height and width of the images that the
            teacher is given; None, if nobody says so, pools nothing.
        size (tuple, optional): Height and width of the last map, before it
            was pooled; None for tokens.
    """

    def __init__(
        self,
        source: str,
        half: bool,
        projection: Optional[MapProjection] = None,
    ) -> None:
        super().__init__(source)
        self.half = half
        self.projection = projection
        self.images: Optional[Size] = None
        self.size: Optional[Size] = None
        self._compared: Dict[Tuple[Size, Size], Size] = {}

    def note_compared(self, size: Size, compared: Size) -> None:
        """Note at which size a map of such images is compared."""
        if self.images is not None:
            self._compared[self.images, size] = compared

    def rounded(self, tensor: torch.Tensor) -> torch.Tensor:
        """Round a map if it is to be kept in half precision."""
        if self.half and tensor.dtype in (torch.float32, torch.float64):
            return tensor.to(torch.bfloat16)
        return tensor

    def forward_hook(self, module, inputs, outputs: Any) -> None:
        """Record the part of the module's output that is needed."""
        if self.recording:
            self.data_buffer.append(self._reduced(outputs))

    def _reduced(self, output: Any) -> Any:
        """Project, pool and round a map."""
        tensor = map_tensor(output)
        self.size = None
        if tensor is None:
            return output
        if tensor.dim() == 4:
            height, width = tensor.shape[-2:]
            self.size = (height, width)
        if self.projection is not None:
            if not self.projection.fitted:
                return output
            tensor = self.projection(tensor)
        if self.size is not None and self.images is not None:
            compared = self._compared.get((self.images, self.size))
            if compared is None:
                return with_tensor(output, tensor)
            tensor = match_size(tensor, compared)
        return with_tensor(output, self.rounded(tensor))


def note_images(recorders: RecorderManager, size: Sequence[int]) -> None:
    """Tell the recorders of maps the height and width of the images."""
    height, width = size
    for recorder in recorders.recorders.values():
        if isinstance(recorder, KeptMapRecorder):
            recorder.images = (height, width)
