"""Heights and widths to which a connector brings a map."""

from typing import Any, Sequence, Tuple

from ..errors import SettingError, check_size


def check_shape(owner: str, name: str, shape: Any) -> None:
    """Raise if an argument is not the shape of a map.

    Args:
        owner (str): The connector.
        name (str): The argument.
        shape: Its value.

    Raises:
        SettingError: If it isn't (C, H, W), all of at least 1, as that of
            tokens isn't.
    """
    if not isinstance(shape, (list, tuple)) or len(shape) != 3:
        raise SettingError(
            f'{owner} has {name}={shape!r}, but the shape (C, H, W) of a map '
            f'is expected, such as (64, 8, 8); record a module that gives '
            f'one.'
        )
    for axis, side in zip('CHW', shape):
        check_size(f"{owner}'s {name}={shape!r}", axis, side)


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
