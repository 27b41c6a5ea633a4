"""What is kept of a teacher's map until its boundary is reached."""

from typing import Any, Dict, Optional, Tuple

import torch
from mmrazor.models.task_modules import ModuleOutputsRecorder

from ..connectors import match_size
from ..tracing.token_maps import map_tensor, with_tensor

Size = Tuple[int, int]


class KeptMapRecorder(ModuleOutputsRecorder):
    """Records a teacher's map at the size at which it will be compared.

    A map that is larger than the student's is pooled as soon as it is known,
    and not only at the boundary. To which size is learned there, for each
    size of the teacher's map.

    Args:
        source (str): The teacher's module.
        half (bool): Whether to keep the map in bfloat16.

    Attributes:
        size (tuple, optional): Height and width of the last map, before it
            was pooled; None for tokens.
    """

    def __init__(self, source: str, half: bool) -> None:
        super().__init__(source)
        self.half = half
        self.size: Optional[Size] = None
        self._compared: Dict[Size, Size] = {}

    def note_compared(self, size: Size, compared: Size) -> None:
        """Note at which size a map of some size is compared."""
        self._compared[size] = compared

    def forward_hook(self, module, inputs, outputs: Any) -> None:
        """Record the part of the module's output that is needed."""
        if self.recording:
            self.data_buffer.append(self._reduced(outputs))

    def _reduced(self, output: Any) -> Any:
        """Pool a map, and round it if it is to be kept in half precision."""
        tensor = map_tensor(output)
        self.size = None
        if tensor is None:
            return output
        if tensor.dim() == 4:
            height, width = tensor.shape[-2:]
            self.size = (height, width)
            compared = self._compared.get(self.size, self.size)
            tensor = match_size(tensor, compared)
        if self.half and tensor.is_floating_point():
            tensor = tensor.to(torch.bfloat16)
        return with_tensor(output, tensor)
