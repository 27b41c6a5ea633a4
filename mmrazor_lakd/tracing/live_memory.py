"""The most memory that a forward pass holds at a time."""

import weakref
from typing import Any, Dict, Tuple

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from .records import storage_of, tensors_in


class LiveMemory(TorchDispatchMode):
    """Follows the tensors that operations inside it allocate.

    Exact for what runs without gradients, on every device; what an operation
    allocates and releases within itself is not seen.

    Attributes:
        peak (int): The most bytes that lived at a time.

    Examples:
        >>> import torch
        >>> with torch.no_grad(), LiveMemory() as memory:
        ...     _ = torch.ones(4, 256).relu()
        >>> memory.peak  # of both tensors
        8192
    """

    def __init__(self) -> None:
        super().__init__()
        self.peak = 0
        self._now = 0
        # Tensors of each storage by its address, and its bytes.
        self._living: Dict[int, Tuple[int, int]] = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None) -> Any:
        """Run an operation, and note what it returns."""
        result = func(*args, **(kwargs or {}))
        # A view of a weight, or of what is older, allocates nothing.
        older = {
            storage_of(t).data_ptr() for t in tensors_in([args, kwargs or {}])
        }
        for tensor in tensors_in(result):
            address = storage_of(tensor).data_ptr()
            if address in self._living or address not in older:
                self._note(tensor, address)
        return result

    def _note(self, tensor: torch.Tensor, address: int) -> None:
        count, size = self._living.get(address, (0, 0))
        if not count:
            size = storage_of(tensor).nbytes()
            self._now += size
            self.peak = max(self.peak, self._now)
        self._living[address] = (count + 1, size)
        weakref.finalize(tensor, self._forget, address)

    def _forget(self, address: int) -> None:
        count, size = self._living.pop(address)
        if count > 1:
            self._living[address] = (count - 1, size)
        else:
            self._now -= size
