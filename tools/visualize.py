"""Shows where a teacher and its students look, module by module.

For example, LAKD compared with KD, on images of the test data::

    python tools/visualize.py \
        configs/lakd/lakd_resnet20_resnet8_1xb64_digits.py \
        work_dirs/lakd_resnet20_resnet8_1xb64_digits/epoch_15.pth \
        --compare work_dirs/kd_resnet20_resnet8_1xb64_digits/epoch_15.pth,\
    label=kd

Each image becomes a sheet in the folder --out. Exit status: 0 if all images
could be shown, 1 if some could not, 2 if nothing was made.
"""

import argparse
import mimetypes
import sys
from functools import partial
from pathlib import Path

from mmengine.logging import MMLogger

from mmrazor_lakd.cli import (
    add_cfg_options,
    add_debug_argument,
    natural,
    positive,
    run_tool,
)
from mmrazor_lakd.report import Console
from mmrazor_lakd.visualization.gallery import make_gallery
from mmrazor_lakd.visualization.subjects import GallerySettings


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog='A network is written [CONFIG.py,]CHECKPOINT[,label=NAME]. '
        "Without a config it has the first student's architecture (or the "
        "teacher's); without a label it is called by its config's method, or "
        "by the checkpoint's folder. Exit status: 0 if all images could be "
        'shown, 1 if some could not, 2 if nothing was made.',
    )
    parser.add_argument('config', help='config of a distillation')
    parser.add_argument('checkpoint', help='its checkpoint, or its student')
    parser.add_argument(
        'images',
        nargs='*',
        metavar='IMAGES',
        help='image files and folders of your own, before all options; '
        'without them, images of the test data',
    )
    parser.add_argument(
        '--compare',
        action='extend',
        nargs='+',
        default=[],
        metavar='NETWORK',
        help='other students, in further rows; repeatable',
    )
    parser.add_argument(
        '--label',
        help="what the student is called; by default its config's method",
    )
    parser.add_argument(
        '--teacher',
        metavar='NETWORK',
        help='another teacher, or another checkpoint; by default the '
        "config's teacher, with the weights in the student's checkpoint or of "
        'teacher_ckpt',
    )
    parser.add_argument(
        '--modules',
        nargs='+',
        metavar='STUDENT[:TEACHER]',
        help='modules to look at; by default the local modules of LAKD, or '
        'the stages',
    )
    parser.add_argument(
        '--num',
        type=positive,
        help='how many images are drawn (of the test data: 8; of your own: '
        'all)',
    )
    parser.add_argument(
        '--seed', type=natural, default=0, help='of the draw (default: 0)'
    )
    parser.add_argument(
        '--indices',
        nargs='+',
        type=int,
        help='which images of the test data to show',
    )
    parser.add_argument(
        '--overview',
        type=natural,
        default=8,
        metavar='ROWS',
        help='images in the overview, 0 for none (default: 8)',
    )
    parser.add_argument(
        '--image-size',
        type=positive,
        metavar='PIXELS',
        help='height and width for images of your own, where the pipeline '
        "doesn't make it",
    )
    add_cfg_options(parser, 'settings that override those of the config')
    parser.add_argument(
        '--out',
        type=Path,
        help='folder for all that is made (default: work_dirs/visualize/ and '
        "the config's name)",
    )
    add_debug_argument(parser)
    args = parser.parse_args()
    if args.indices and (args.images or args.num):
        parser.error('--indices goes with neither IMAGES nor --num')
    if args.image_size and not args.images:
        parser.error('--image-size is for IMAGES of your own')
    for text in args.compare:
        # argparse assigns to --compare whatever follows it.
        kind = mimetypes.guess_type(text.partition(',')[0])[0] or ''
        if kind.startswith('image/') or Path(text).is_dir():
            parser.error(
                f"--compare has '{text}', which is no network; write IMAGES "
                f'before all options'
            )
    return args


def main(args: argparse.Namespace) -> None:
    """Draw the figures."""
    # The log of building a model matters only in training.
    MMLogger.get_instance('visualize', log_level='WARNING')
    settings = vars(args).copy()
    del settings['debug']
    if not make_gallery(GallerySettings(**settings), Console()):
        sys.exit(1)


if __name__ == '__main__':
    arguments = parse_args()
    run_tool(partial(main, arguments), arguments.debug)
