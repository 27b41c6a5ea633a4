"""A user's own image files, read into arrays or rejected with a reason."""

import warnings
from pathlib import Path
from typing import Dict, List, NamedTuple, Sequence, Tuple

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from ..errors import nearest

# Beyond this, only a strip of the image would be left after resizing.
MAX_ASPECT = 50
# Images are reduced by an integer factor; the short side keeps at least this.
ENOUGH_PIXELS = 1024
# Names of Pillow's modes.
NAMES = {'1': 'black and white', 'L': 'grey', 'LA': 'grey'}
NAMES.update(P='palette', PA='palette')


class UnusableImage(ValueError):
    """A file isn't an image that can be shown; the message says why."""


class Found(NamedTuple):
    """The files found at the user's paths.

    Attributes:
        files (list[Path]): In the given order; those of a folder sorted.
        refused (dict): Paths without a usable image, with the reasons.
        left_out (dict): For each folder the files without an image's
            extension.
    """

    files: List[Path]
    refused: Dict[str, str]
    left_out: Dict[str, List[Path]]


def find_images(paths: Sequence[str]) -> Found:
    """Find image files.

    Args:
        paths (Sequence[str]): Files with any name, and folders, which are
            searched recursively for files with an image's extension; hidden
            ones are skipped.
    """
    Image.init()
    # Without those that Pillow can only write, such as .pdf.
    endings = {
        ending
        for ending, kind in Image.registered_extensions().items()
        if kind in Image.OPEN
    }
    found = Found([], {}, {})
    for text in paths:
        path = Path(text)
        if path.is_dir():
            inside = [
                file
                for file in sorted(path.rglob('*'))
                if file.is_file()
                and not any(
                    part.startswith('.')
                    for part in file.relative_to(path).parts
                )
            ]
            images = [f for f in inside if f.suffix.lower() in endings]
            others = [f for f in inside if f.suffix.lower() not in endings]
            if not images:
                found.refused[text] = 'is a folder without images'
            elif others:
                found.left_out[text] = others
            found.files.extend(images)
        elif path.exists():
            found.files.append(path)
        else:
            found.refused[text] = f'does not exist{_neighbours(path)}'
    return found


def _neighbours(path: Path) -> str:
    """Suggest the files that a wrong path may mean."""
    folder = path.parent
    if not folder.is_dir():
        return ''
    names = sorted(file.name for file in folder.glob('[!.]*'))
    close = nearest(path.name, names)
    return f'; the nearest names are: {close}' if close else ''


def read_image(path: Path) -> Tuple[np.ndarray, List[str]]:
    """Read an image file as 8-bit RGB, upright, on white.

    Args:
        path (Path): A file in any format that Pillow reads; of several frames
            the first is used.

    Returns:
        tuple: The image, uint8 (H, W, 3), and descriptions of the conversions.
        A side may be shorter than the file's: see ``ENOUGH_PIXELS``.

    Raises:
        UnusableImage: If the file isn't an image, is damaged, or has an
            unknown range of brightness.
    """
    try:
        if path.stat().st_size == 0:
            raise UnusableImage('is empty')
        with warnings.catch_warnings():
            # Pillow warns of large files, and of tags that don't matter here.
            warnings.simplefilter('ignore')
            with Image.open(path) as image:
                return _convert(image)
    except UnusableImage:
        raise
    except UnidentifiedImageError:
        raise UnusableImage('is no image that Pillow can read') from None
    except Image.DecompressionBombError:
        limit = 2 * Image.MAX_IMAGE_PIXELS // 10**6
        raise UnusableImage(
            f'has more than {limit} million pixels; make it smaller'
        ) from None
    except Exception as error:  # a decoder can raise anything
        reason = str(error).strip().split('\n')[0] or type(error).__name__
        raise UnusableImage(f'is damaged ({reason})') from error


def _convert(image: Image.Image) -> Tuple[np.ndarray, List[str]]:
    """See :func:`read_image`."""
    width, height = image.size
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise UnusableImage(
            f'is {width}x{height}, a strip; cut a part out of it'
        )
    # JPEG only: decode no more than needed.
    image.draft(image.mode, (2 * ENOUGH_PIXELS, 2 * ENOUGH_PIXELS))
    image.load()
    notes = []
    if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
        image = ImageOps.exif_transpose(image)
        notes.append('turned upright')
    if image.mode == 'F' or image.mode[0] == 'I':
        image = _to_8_bits(image)
        notes.append('16 bits to 8')
    if image.mode != 'RGB':
        notes.append(f'{NAMES.get(image.mode, image.mode)} to RGB')
    # Neither single bits nor palette indices can be averaged.
    image = image.convert('RGBA' if image.has_transparency_data else 'RGB')
    factor = min(image.size) // ENOUGH_PIXELS
    if factor > 1:
        image = image.reduce(factor)
    if (width, height) not in (image.size, image.size[::-1]):
        size = 'x'.join(map(str, image.size))
        notes.append(f'{width}x{height} to {size} pixels')
    if image.mode == 'RGBA' and np.asarray(image.getchannel('A')).min() < 255:
        notes.append('transparency laid on white')
        page = Image.new('RGBA', image.size, 'white')
        image = Image.alpha_composite(page, image)
    return np.array(image.convert('RGB')), notes


def _to_8_bits(image: Image.Image) -> Image.Image:
    """Scale 16-bit grey, 0 to 65535, to 0 to 255."""
    values = np.asarray(image)
    if image.mode == 'F' or values.min() < 0 or values.max() > 65535:
        raise UnusableImage(
            f'has pixels from {values.min():g} to {values.max():g}, of which '
            f'it is not known what is black and white; save it with 8 or 16 '
            f'bits'
        )
    scaled = (values.astype(np.int64) * 255 + 32767) // 65535
    return Image.fromarray(scaled.astype(np.uint8))
