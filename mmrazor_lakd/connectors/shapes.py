"""Heights and widths to which a connector brings a map."""

from typing import Sequence, Tuple


def scaled_size(
    size: Sequence[int], in_shape: Sequence[int], out_shape: Sequence[int]
) -> Tuple[int, int]:
    """Scale a map's size by the ratio between two shapes.

    The shapes come from the image of the dry forward pass, the size from the
    training images, which may be larger.

    Args:
        size (Sequence[int]): Height and width of a map.
        in_shape (Sequence[int]): Shape (C, H, W) of this map for the image
            of the dry pass.
        out_shape (Sequence[int]): Shape (C', H', W') of the map to match,
            for the same image.

    Returns:
        tuple[int, int]: Height and width of the map to match.
    """
    height, width = (
        max(round(side * out / before), 1)
        for side, before, out in zip(size, in_shape[1:], out_shape[1:])
    )
    return height, width
