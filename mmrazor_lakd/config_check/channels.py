"""The order of an image's channels, as a config leads them to a network."""

from typing import Any, Dict, Iterator, List, Tuple

from .kinds import type_name

# Transforms that reverse the channels, with the setting that says whether,
# and its default. mmpretrain has two names for those of Pillow's.
REVERSING = {
    'Normalize': ('to_rgb', True),
    'NumpyToPIL': ('to_rgb', False),
    'ToPIL': ('to_rgb', False),
    'PILToNumpy': ('to_bgr', False),
    'ToNumpy': ('to_bgr', False),
}
# In the name of what reads an image by OpenCV.
FROM_FILE = 'ImageFromFile'
# Settings of data preprocessors that do.
REVERSALS = ('to_rgb', 'bgr_to_rgb', 'rgb_to_bgr')


def packed_order(loader: Any) -> str:
    """Return the order in which a loader's pipeline packs the channels.

    What loads an image file gives B, G, R. Data sets that hold their images,
    such as CIFAR's, have them as R, G, B. Steps of the pipeline may reverse
    either.

    Args:
        loader (dict, optional): Config of a data loader.

    Returns:
        str: ``'RGB'`` or ``'BGR'``.

    Examples:
        >>> load = dict(type='LoadImageFromFile')
        >>> packed_order(dict(dataset=dict(pipeline=[load])))
        'BGR'
        >>> steps = [load, dict(type='NumpyToPIL', to_rgb=True)]
        >>> packed_order(dict(dataset=dict(pipeline=steps)))
        'RGB'
    """
    reversed_ = FROM_FILE in str(loader)  # wherever it is nested
    for step in _steps((loader or {}).get('dataset')):
        name, default = REVERSING.get(type_name(step.get('type')), ('', None))
        reversed_ ^= bool(step.get(name, default))
    return 'BGR' if reversed_ else 'RGB'


def knows_order(loader: Any) -> bool:
    """Check whether :func:`packed_order` is sure of what it returns.

    It isn't of a loader of images that it doesn't know, such as
    ``LoadImageFromNDArray``, whose arrays may be of either order.

    Args:
        loader (dict, optional): Config of a data loader.
    """
    return not any(
        name.startswith('Load') and 'Image' in name and FROM_FILE not in name
        for step in _steps((loader or {}).get('dataset'))
        for name in [type_name(step.get('type'))]
    )


def packed_normalisation(loader: Any) -> List[Tuple]:
    """Return the mean and deviation by which a pipeline normalises images.

    Args:
        loader (dict, optional): Config of a data loader.

    Returns:
        list[tuple]: Of each of its steps that do so, as plain lists; usually
        none, since a data preprocessor does.
    """
    return [
        tuple(
            None if step.get(name) is None else list(step[name])
            for name in ('mean', 'std')
        )
        for step in _steps((loader or {}).get('dataset'))
        if type_name(step.get('type')) == 'Normalize'
    ]


def network_order(loader: Any, preprocessor: Dict[str, Any]) -> str:
    """Return the order in which a network takes the channels.

    Args:
        loader (dict): Config of a data loader.
        preprocessor (dict): Config of the data preprocessor, which may reverse
            what is packed.

    Returns:
        str: ``'RGB'`` or ``'BGR'``.
    """
    packed = packed_order(loader)
    if not any(preprocessor.get(name) for name in REVERSALS):
        return packed
    return 'RGB' if packed == 'BGR' else 'BGR'


def _steps(part: Any) -> Iterator[Dict[str, Any]]:
    """Yield the transforms of a data set, or of a list of them, in order.

    Of several data sets or views the first stands for all.
    """
    if isinstance(part, (list, tuple)):
        for step in part:
            yield from _steps(step)
    elif isinstance(part, dict):
        if part.get('dataset') or part.get('datasets'):
            yield from _steps(part.get('dataset') or part['datasets'][0])
        if part.get('pipeline'):
            yield from _steps(part['pipeline'])
        inner = part.get('transforms') or []
        if inner and isinstance(inner[0], (list, tuple)):
            inner = inner[0]
        if 'type' in part:
            yield part
        yield from _steps(inner)
