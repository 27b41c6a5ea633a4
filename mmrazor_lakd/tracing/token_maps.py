"""Feature maps in the forms in which networks output them.

Convolutional networks output maps (N, C, H, W); transformers output tokens
(N, L, C), some with class tokens in front, and some beside the size (H, W) of
the map.
"""

from functools import lru_cache
from typing import Any, Optional, Sequence, Tuple

import torch

# A class token, and one for distillation as in DeiT.
MOST_CLASS_TOKENS = 2


def map_tensor(output: Any) -> Optional[torch.Tensor]:
    """Return the tensor of a map: of an output, or of a pair with its size.

    Args:
        output (Any): What a module outputs.

    Returns:
        torch.Tensor: (N, C, H, W) or (N, L, C); None for anything else.
    """
    if isinstance(output, tuple) and _size_beside(output):
        output = output[0]
    if isinstance(output, torch.Tensor) and output.dim() in (3, 4):
        return output
    return None


def with_tensor(output: Any, tensor: torch.Tensor) -> Any:
    """Replace the tensor of a map, and keep the size beside it, if any."""
    if isinstance(output, tuple):
        return (tensor, *output[1:])
    return tensor


def as_map(
    output: Any, image_size: Optional[Sequence[int]]
) -> Optional[torch.Tensor]:
    """View a module's output as a map (N, C, H, W), without class tokens.

    Source: ours.

    Args:
        output (Any): What a module outputs.
        image_size (Sequence[int], optional): Height and width of the images,
            from which those of tokens follow. None takes them for square.

    Returns:
        torch.Tensor: A map that shares memory with the output; None if the
        output is no map.

    Examples:
        >>> import torch
        >>> as_map(torch.zeros(2, 197, 192), (224, 224)).shape
        torch.Size([2, 192, 14, 14])
    """
    tensor = map_tensor(output)
    if tensor is None or tensor.dim() == 4:
        return tensor
    if isinstance(output, tuple):
        height, width = (int(side) for side in output[1])
    else:
        found = token_grid(tensor.shape[1], tuple(image_size or (1, 1)))
        if found is None:
            return None
        height, width = found
    patches = tensor[:, tensor.shape[1] - height * width :]
    return patches.transpose(1, 2).unflatten(2, (height, width))


def why_no_map(
    output: Any, image_size: Sequence[int], number: int = 1
) -> Optional[str]:
    """Say why a module's output is no map with a part for each image.

    Args:
        output (Any): What a module outputs.
        image_size (Sequence[int]): Height and width of the images.
        number (int): The number of images. Defaults to 1.

    Returns:
        str: What it is instead, for a message; None if it is a map.

    Examples:
        >>> import torch
        >>> why_no_map(torch.zeros(1, 8, 8, 24), (32, 32))
        'channels last'
        >>> why_no_map(torch.zeros(64, 1, 24), (32, 32))
        'with the images on another axis than the first'
        >>> why_no_map(torch.zeros(1, 24, 8, 8), (32, 32))
    """
    tensor = map_tensor(output)
    if tensor is None or as_map(output, image_size) is None:
        return 'no map'
    if tensor.shape[0] != number:
        return 'with the images on another axis than the first'
    if tensor.dim() == 4:
        first, middle, last = (int(side) for side in tensor.shape[1:])
        # A map need not fit the image, as after a convolution without
        # padding. But then its channels hardly do.
        if not _same_patch(middle, last, image_size) and _same_patch(
            first, middle, image_size
        ):
            return 'channels last'
    return None


@lru_cache(maxsize=1024)  # each boundary asks in each step
def token_grid(
    count: int, image_size: Tuple[int, int]
) -> Optional[Tuple[int, int]]:
    """Find the height and width at which tokens cover an image.

    The image is divided into square patches, the last of which may be
    incomplete, and at most :data:`MOST_CLASS_TOKENS` other tokens stand in
    front. No number of tokens fits a square image in two ways.

    Args:
        count (int): The number of tokens.
        image_size (tuple[int, int]): Height and width of the image, or
            their ratio.

    Returns:
        tuple[int, int]: Height and width in tokens; None if none fit.
    """
    for number in range(count, max(count - MOST_CLASS_TOKENS, 1) - 1, -1):
        for height in range(1, number + 1):
            width, rest = divmod(number, height)
            if rest == 0 and _same_patch(height, width, image_size):
                return height, width
    return None


def _same_patch(height: int, width: int, image_size: Sequence[int]) -> bool:
    """Check whether square patches can divide an image so.

    With ``patch`` the side of a patch, ``floor(side / patch)`` whole patches
    or ``ceil(side / patch)`` with an incomplete one, in both directions.
    """
    sides = list(zip(image_size, (height, width)))
    floor_least = max(side / (count + 1) for side, count in sides)
    floor_most = min(side / count for side, count in sides)
    ceil_least = max(side / count for side, count in sides)
    ceil_most = min(
        side / (count - 1) if count > 1 else float('inf')
        for side, count in sides
    )
    return floor_least < floor_most or ceil_least < ceil_most


def _size_beside(output: Tuple) -> bool:
    """Check whether an output is a pair of tokens (N, L, C) and a size."""
    if len(output) != 2 or not isinstance(output[0], torch.Tensor):
        return False
    tokens, size = output
    try:
        height, width = (int(side) for side in size)
    except (TypeError, ValueError):
        return False
    return tokens.dim() == 3 and tokens.shape[1] == height * width
