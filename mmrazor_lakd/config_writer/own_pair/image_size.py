"""Find the size of a config's training images."""

from typing import Any, Dict, Iterator, Optional, Tuple

from mmengine.config import Config
from mmengine.registry import DATASETS, DefaultScope

from ...errors import SettingError

Size = Tuple[int, int]


def find_image_size(cfg: Config, scope: Optional[str], source: str) -> Size:
    """Find the height and width of a config's training images.

    It is what the last transform that sets a size says; without one, what the
    data preprocessor pads or crops to; without that, the size of the first
    training image.

    Args:
        cfg (Config): The config.
        scope (str, optional): Scope of its types.
        source (str): Its path, for the message.

    Raises:
        SettingError: If none of these is known.
    """
    dataset = (cfg.get('train_dataloader') or {}).get('dataset') or {}
    size = None
    for transform in _transforms(dataset):
        if _kind(transform) == 'ResizeEdge':  # the other edge's depends
            size = None
        size = _size_of(transform, scope) or size
    preprocessor = cfg.model.get('data_preprocessor')
    preprocessor = preprocessor or cfg.get('data_preprocessor') or {}
    size = size or _pair(preprocessor.get('size'))
    if size is None and dataset:
        size = _size_of_first(dataset, scope)
    if size is None:
        raise SettingError(
            f"The size of the training images can't be told from '{source}', "
            f'whose pipeline sets none and whose first image could not be '
            f'read; add --input-size HEIGHT WIDTH.'
        )
    return size


def shrink(size: Size, longest: int = 512, divisor: int = 32) -> Size:
    """Shrink a size to one of about the same proportions.

    Args:
        size (tuple[int, int]): Height and width.
        longest (int): The longer side of the result.
        divisor (int): What divides both of its sides.
    """
    if max(size) <= longest:
        return size
    height, width = (
        max(divisor, round(side * longest / max(size) / divisor) * divisor)
        for side in size
    )
    return height, width


def _transforms(dataset: Dict[str, Any]) -> Iterator[Dict[str, Any]]:
    """Yield the transforms of a data set, those of a wrapped one first."""
    inner = dataset.get('dataset') or (dataset.get('datasets') or [None])[0]
    if isinstance(inner, dict):
        yield from _transforms(inner)
    for transform in dataset.get('pipeline') or ():
        if isinstance(transform, dict):
            yield transform


def _kind(transform: Dict[str, Any]) -> str:
    """Return the name of a transform's class."""
    return str(transform.get('type')).split('.')[-1]


def _size_of(
    transform: Dict[str, Any], scope: Optional[str]
) -> Optional[Size]:
    """Return the height and width that a transform sets, if any."""
    kind = _kind(transform)
    if 'Crop' in kind and 'relative' not in transform.get('crop_type', ''):
        size = _pair(transform.get('crop_size') or transform.get('scale'))
        # MMCV's, and mmdet's crops, write width, height; the others don't.
        if size and (kind == 'CenterCrop' or scope == 'mmdet'):
            size = size[::-1]
        return size
    if 'Resize' in kind and kind != 'ResizeEdge':
        scale = transform.get('scale') or transform.get('scales')
        if isinstance(scale, (list, tuple)) and scale:
            if isinstance(scale[0], (list, tuple)):
                scale = max(scale, key=lambda sides: sides[0] * sides[1])
            scale = tuple(scale)[::-1]  # MMCV writes width, height
        return _pair(scale)
    return None


def _pair(size: Any) -> Optional[Size]:
    """Convert a side, or height and width, to a pair; None for others."""
    if type(size) is int:
        return size, size
    sides = tuple(size) if isinstance(size, (list, tuple)) else ()
    if len(sides) == 2 and all(type(side) is int for side in sides):
        return sides
    return None


def _size_of_first(dataset: Any, scope: Optional[str]) -> Optional[Size]:
    """Return the size of the first training image, if it can be read."""
    try:
        with DefaultScope.overwrite_default_scope(scope):
            image = DATASETS.build(dataset)[0]['inputs']
        return tuple(image.shape[-2:])
    except Exception:  # the data may lie on another machine
        return None
