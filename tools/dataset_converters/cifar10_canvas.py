"""Makes a small data set for detection and segmentation of CIFAR-10's images.

For trying a detector or a segmentor on real pixels within minutes::

    python tools/dataset_converters/cifar10_canvas.py data/cifar10 \
        data/cifar10_canvas

Images of CIFAR-10 lie on a canvas; boxes and masks are known. Training
pictures are made of CIFAR's training images, the others of its test images.
The layout is mmsegmentation's, with COCO's annotation files beside it.
"""

import argparse
import io
import json
from functools import partial
from pathlib import Path

from PIL import Image

from mmrazor_lakd.checkpoints.whole_file import write_whole
from mmrazor_lakd.cli import (
    add_debug_argument,
    check_folder,
    make_progress,
    natural,
    positive,
    run_tool,
)
from mmrazor_lakd.datasets.canvas import (
    OBJECT_SIZES,
    coco_annotations,
    paint_all,
    read_objects,
)
from mmrazor_lakd.errors import SettingError
from mmrazor_lakd.report import Console

# Beside the background: classes that a small network tells apart early.
CLASSES = ('airplane', 'automobile', 'frog')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('cifar10', type=Path, help='its data_root')
    parser.add_argument('out_dir', type=Path, help='where the data set goes')
    parser.add_argument(
        '--classes',
        nargs='+',
        default=CLASSES,
        metavar='NAME',
        help=f'of CIFAR-10 (default: {" ".join(CLASSES)})',
    )
    for split, number in (('train', 2000), ('val', 500)):
        parser.add_argument(
            f'--{split}',
            type=positive,
            default=number,
            metavar='N',
            help=f'number of pictures (default: {number})',
        )
    parser.add_argument(
        '--size',
        type=positive,
        default=96,
        metavar='PIXELS',
        help='height and width of a picture (default: 96)',
    )
    parser.add_argument('--seed', type=natural, default=0)
    add_debug_argument(parser)
    return parser.parse_args()


def png(pixels) -> bytes:
    """Encode an image, uint8, (H, W) or (H, W, 3)."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, 'PNG')
    return file.getvalue()


def main(args: argparse.Namespace) -> None:
    """Paint both splits and write them."""
    check_folder('out_dir', args.out_dir)
    if args.size < OBJECT_SIZES[1]:
        raise SettingError(
            f'--size={args.size} is smaller than the largest object; write '
            f'at least {OBJECT_SIZES[1]}.'
        )
    console = Console()
    with make_progress(console) as progress:
        for number, split in enumerate(('train', 'val')):
            objects = read_objects(args.cifar10, split, args.classes)
            count = getattr(args, split)
            task = progress.add_task(split, total=count)
            canvases, names = [], []
            # A seed of its own, so that the number of training pictures
            # doesn't change the others.
            seed = 2 * args.seed + number
            for canvas in paint_all(*objects, count, args.size, seed):
                name = f'{len(names):05d}.png'
                image = args.out_dir / 'img_dir' / split / name
                mask = args.out_dir / 'ann_dir' / split / name
                for path, pixels in (
                    (image, canvas.image),
                    (mask, canvas.mask),
                ):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(png(pixels))
                canvases.append(canvas)
                names.append(name)
                progress.advance(task)
            found = coco_annotations(canvases, names, args.classes)
            # Last: a training that finds it finds the pictures, too.
            write_whole(
                args.out_dir / 'annotations' / f'{split}.json',
                json.dumps(found).encode(),
            )
    console.print(
        f'Wrote {args.train} training and {args.val} validation pictures of '
        f'{", ".join(args.classes)}: {args.out_dir}'
    )


if __name__ == '__main__':
    arguments = parse_args()
    run_tool(partial(main, arguments), arguments.debug)
