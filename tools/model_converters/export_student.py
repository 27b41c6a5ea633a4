"""Writes the student of a distillation as a network of its own.

For example::

    python tools/model_converters/export_student.py CONFIG \
        work_dirs/CONFIG/epoch_10.pth --out student.pth --onnx student.onnx

writes ``student-1a2b3c4d.pth`` (with the hash of what is in it) and
``student.py``, which mmpretrain's, mmdetection's and mmsegmentation's own
tools take without this package, and ``student.onnx``.
"""

import argparse
from functools import partial
from pathlib import Path

from mmrazor_lakd.checkpoints.export import (
    check_new,
    check_out,
    read_student,
    write_student,
)
from mmrazor_lakd.checkpoints.graphs import (
    check_logits,
    check_onnx,
    check_torch_export,
    example_images,
    export_onnx,
    export_program,
    takes_any_number,
)
from mmrazor_lakd.cli import (
    add_cfg_options,
    add_debug_argument,
    check_config_path,
    positive,
    run_tool,
)
from mmrazor_lakd.config_check import read_config_file


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', help='config of the distillation')
    parser.add_argument('checkpoint', help='its checkpoint')
    parser.add_argument(
        '--out',
        type=Path,
        required=True,
        metavar='STUDENT.pth',
        help='the weights to write, with a hash added to the name; the '
        "student's config is written beside them, as STUDENT.py",
    )
    ema = parser.add_mutually_exclusive_group()
    ema.add_argument(
        '--ema',
        action='store_true',
        default=None,
        help='the weights that an EMAHook has averaged, or none. Without '
        'this, those that a test evaluates, which are the same',
    )
    ema.add_argument(
        '--no-ema',
        dest='ema',
        action='store_false',
        help='the last weights instead of the averaged ones',
    )
    parser.add_argument(
        '--onnx', type=Path, metavar='FILE', help='write it as ONNX, too'
    )
    parser.add_argument(
        '--torch-export',
        type=Path,
        metavar='FILE.pt2',
        help='write what torch.export makes of it, too',
    )
    parser.add_argument(
        '--shape',
        type=positive,
        nargs=2,
        metavar=('HEIGHT', 'WIDTH'),
        help='size of the images for --onnx and --torch-export (default: '
        "that of the config's test data)",
    )
    add_cfg_options(parser, 'settings that override the config')
    add_debug_argument(parser)
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Write the files, and print their names."""
    check_config_path(args.config)
    cfg = read_config_file(args.config, args.cfg_options)
    graphs = (
        ('--onnx', args.onnx, check_onnx, export_onnx),
        (
            '--torch-export',
            args.torch_export,
            check_torch_export,
            export_program,
        ),
    )
    for option, path, check, _ in graphs:
        if path is not None:
            check()
            check_new(option, path)
    check_out(args.out)
    student = read_student(cfg, args.checkpoint, args.ema)
    # The graphs first: with other options they may have to be made again.
    if args.onnx is not None or args.torch_export is not None:
        images = example_images(student.config, student.model, args.shape)
        check_logits(student.model, images)
        number = 'any number of images'
        if not takes_any_number(student.model, images):
            images, number = images[:1], 'one image at a time, (1, C, H, W)'
        for _, path, _, export in graphs:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                export(student.model, images, path)
                shape = tuple(images.shape[1:])
                print(f'Wrote {path}, for images {shape}, {number}')
    weights = write_student(student, args.out)
    print(f'Wrote {weights} and {args.out.with_suffix(".py")}')
    if student.needs:
        print(
            'To use them, mmrazor_lakd must be installed, for '
            f'{", ".join(student.needs)}.'
        )


if __name__ == '__main__':
    arguments = parse_args()
    run_tool(partial(main, arguments), arguments.debug)
